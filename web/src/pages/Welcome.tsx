// Nothing is watched yet: see it work in one press, or what to connect, in the order in which it helps.
import { useMutation } from '@tanstack/react-query'
import { api, asked } from '../api/client'
import { useMay, useStanding } from '../api/session'
import { useWords } from '../i18n'
import { Failed, Page, Section } from '../ui/parts'
import { Register } from './Services'

// The lab listens on the server's own machine only: for a browser elsewhere its address leads nowhere.
const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(location.hostname)

export function Welcome() {
  const { t } = useWords()
  const may = useMay('admin')
  const steps = [
    { title: t('welcome.metrics'), text: t('welcome.metricsText'), code: '[telemetry]\nkind = "prometheus"\nurl = "http://127.0.0.1:9090"' },
    { title: t('welcome.services'), text: t('welcome.servicesText'), code: '[[service]]\nname = "payment-service"\nhealth = "http://10.0.0.6:8000/health"\nowner = "payments team"' },
    { title: t('welcome.alerts'), text: t('welcome.alertsText'), code: `alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: ["${location.host}"]` },
    { title: t('welcome.people'), text: t('welcome.peopleText'), code: 'midwatch notify test -c midwatch.toml' },
  ]
  return (
    <Page title={t('welcome.title')} actions={may && <Register />}>
      <p className="lead-text">{t('welcome.text')}</p>
      <StartLab />
      <Section title={t('welcome.own')}>
        <ol className="cards two-wide">
          {steps.map((step) => (
            <li key={step.title} className="card">
              <p className="lead">{step.title}</p>
              <p>{step.text}</p>
              <pre tabIndex={0}>{step.code}</pre>
            </li>
          ))}
        </ol>
      </Section>
    </Page>
  )
}

// A world of its own with a midwatch of its own: this server's configuration and journal stay as they are.
function StartLab() {
  const { t } = useWords()
  const { session } = useStanding()
  const may = useMay('admin')
  const start = useMutation({ mutationFn: () => asked<{ url: string }>(api.POST('/api/v1/demo')) })
  if (!session.demo || !isHere || !may) {
    return (
      <>
        <p>{t(!session.demo || !isHere ? 'welcome.notHere' : 'welcome.notYou')}</p>
        <pre>midwatch demo</pre>
        <p>{t('welcome.then')}</p>
      </>
    )
  }
  if (start.data) {
    return (
      <div className="card act" role="status">
        <p className="lead">{t('welcome.runs')}</p>
        <p>{t('welcome.next')}</p>
        <a className="button primary" href={start.data.url}>
          {t('welcome.open')}
        </a>
      </div>
    )
  }
  return (
    <>
      <p>
        <button type="button" className="primary big" disabled={start.isPending} onClick={() => start.mutate()}>
          {t(start.isPending ? 'welcome.starting' : 'welcome.start')}
        </button>
      </p>
      <p className="muted">{t('welcome.startHint')}</p>
      <Failed error={start.error} />
    </>
  )
}
