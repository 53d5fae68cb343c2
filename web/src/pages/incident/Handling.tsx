// What people do with an incident beside deciding: take it up, give it away, put it off, merge it, split it.
import { useNavigate } from '@tanstack/react-router'
import { api, asked, raw } from '../../api/client'
import { useLive } from '../../api/live'
import { useMay } from '../../api/session'
import type { IncidentDetail } from '../../api/types'
import { useWords } from '../../i18n'
import { Ask, Field } from '../../ui/Form'
import { Clock, IncidentLink } from '../../ui/parts'

const OVER = new Set(['resolved', 'closed', 'false_alarm'])
// Something is being done, or was: what was done belongs to this incident.
const BUSY = new Set(['remediating', 'verifying', 'soaking'])
const SNOOZE_H = [1, 4, 12, 24]

export function Handling({ incident }: { incident: IncidentDetail }) {
  const may = useMay('act')
  if (!may || OVER.has(incident.state)) return null
  const busy = BUSY.has(incident.state)
  const whole = !busy && incident.actions.length === 0
  return (
    <div className="row wrap handling">
      {!incident.acknowledged && <Acknowledge incident={incident} />}
      <Assign incident={incident} />
      {incident.snooze ? <WakeUp incident={incident} silence={incident.snooze} /> : <Snooze incident={incident} />}
      {whole && <Merge incident={incident} />}
      {whole && incident.signals.length > 1 && <Split incident={incident} />}
      {!busy && <FalseAlarm incident={incident} />}
    </div>
  )
}

// Who has it, and until when nobody hears of it.
export function Standing({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const { acknowledged, assignee, snoozed_until: snoozed, merged_into: merged } = incident
  if (!acknowledged && !assignee && !snoozed && !merged) return null
  return (
    <p className="muted">
      {acknowledged && <span>{t('handling.acknowledgedBy', { by: acknowledged })} </span>}
      {assignee && <span>{t('handling.assignedTo', { to: assignee })} </span>}
      {snoozed && Date.parse(snoozed) > Date.now() && (
        <span>
          {t('handling.snoozedUntil')} <Clock at={snoozed} />{' '}
        </span>
      )}
      {merged && (
        <span>
          {t('handling.mergedInto')} <IncidentLink id={merged} />
        </span>
      )}
    </p>
  )
}

type Props = { incident: IncidentDetail }

const at = (incident: IncidentDetail) => ({ path: { id: incident.id } })
const renews = (incident: IncidentDetail) => [['incident', incident.id], ['silences']]

function Reason() {
  const { t } = useWords()
  return <Field label={t('approve.reason')} name="reason" />
}

function Acknowledge({ incident }: Props) {
  const { t } = useWords()
  return (
    <Ask title={t('handling.acknowledge')} renews={renews(incident)} run={({ by }) => asked(api.POST('/api/v1/incidents/{id}/acknowledge', { params: at(incident), body: { by } }))}>
      <p>{t('handling.acknowledgeHint')}</p>
    </Ask>
  )
}

function Assign({ incident }: Props) {
  const { t } = useWords()
  return (
    <Ask
      title={t('handling.assign')}
      renews={renews(incident)}
      run={({ by, text }) => asked(api.POST('/api/v1/incidents/{id}/assign', { params: at(incident), body: { by, to: text('to') || null } }))}
    >
      <Field label={t('handling.to')} name="to" defaultValue={incident.assignee ?? ''} />
    </Ask>
  )
}

function Snooze({ incident }: Props) {
  const { t } = useWords()
  return (
    <Ask
      title={t('handling.snooze')}
      renews={renews(incident)}
      run={({ by, text }) => {
        const until = new Date(Date.now() + Number(text('hours')) * 3_600_000).toISOString()
        return asked(api.POST('/api/v1/incidents/{id}/snooze', { params: at(incident), body: { by, until, reason: text('reason') } }))
      }}
    >
      <p>{t('handling.snoozeHint')}</p>
      <label>
        {t('handling.for')}
        <select name="hours">
          {SNOOZE_H.map((hours) => (
            <option key={hours} value={hours}>
              {hours} h
            </option>
          ))}
        </select>
      </label>
      <Reason />
    </Ask>
  )
}

// The snooze is a silence, and ends as one.
function WakeUp({ incident, silence }: Props & { silence: string }) {
  const { t } = useWords()
  return (
    <Ask title={t('handling.wake')} renews={renews(incident)} run={() => raw('DELETE', `/api/v2/silence/${encodeURIComponent(silence)}`)}>
      <p>{t('handling.wakeHint')}</p>
    </Ask>
  )
}

function Merge({ incident }: Props) {
  const { t } = useWords()
  const { view } = useLive()
  const navigate = useNavigate()
  const others = (view?.incidents ?? []).filter((one) => one.id !== incident.id && !OVER.has(one.state))
  if (others.length === 0) return null
  return (
    <Ask
      title={t('handling.merge')}
      renews={renews(incident)}
      run={async ({ by, text }) => {
        const into = text('into')
        await asked(api.POST('/api/v1/incidents/{id}/merge', { params: at(incident), body: { by, into, reason: text('reason') } }))
        return into
      }}
      done={(into) => void navigate({ to: '/incidents/$id', params: { id: String(into) } })}
    >
      <p>{t('handling.mergeHint')}</p>
      <label>
        {t('handling.into')}
        <select name="into">
          {others.map((one) => (
            <option key={one.id} value={one.id}>
              {one.component}: {one.summary.slice(0, 80)}
            </option>
          ))}
        </select>
      </label>
      <Reason />
    </Ask>
  )
}

function Split({ incident }: Props) {
  const { t } = useWords()
  const navigate = useNavigate()
  return (
    <Ask
      title={t('handling.split')}
      renews={renews(incident)}
      run={({ by, text, all }) => asked(api.POST('/api/v1/incidents/{id}/split', { params: at(incident), body: { by, signals: all('signal'), reason: text('reason') } }))}
      done={(answer) => void navigate({ to: '/incidents/$id', params: { id: (answer as { incident: string }).incident } })}
    >
      <p>{t('handling.splitHint')}</p>
      <fieldset className="choices">
        <legend>{t('handling.signals')}</legend>
        {incident.signals.map((signal) => (
          <label key={signal.id} className="check">
            <input type="checkbox" name="signal" value={signal.id} />
            {signal.summary}
          </label>
        ))}
      </fieldset>
      <Reason />
    </Ask>
  )
}

function FalseAlarm({ incident }: Props) {
  const { t } = useWords()
  return (
    <Ask
      title={t('incident.falseAlarm')}
      confirm={t('incident.falseAlarmConfirm')}
      danger
      renews={renews(incident)}
      run={({ by, text }) => asked(api.POST('/api/v1/incidents/{id}/false-alarm', { params: at(incident), body: { by, reason: text('reason') } }))}
    >
      <p>{t('handling.falseAlarmHint')}</p>
      <Reason />
    </Ask>
  )
}
