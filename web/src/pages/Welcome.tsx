// Nothing is watched yet: what to connect, in the order in which it helps.
import { useMay } from '../api/session'
import { useWords } from '../i18n'
import { Page, Section } from '../ui/parts'
import { Register } from './Services'

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
      <pre>midwatch demo</pre>
      <p>{t('welcome.then')}</p>
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
