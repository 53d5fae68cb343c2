// The demo world: break it and watch the loop close.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent } from 'react'
import { raw } from '../api/client'
import { useLive } from '../api/live'
import { useMay, useStanding } from '../api/session'
import type { Fault } from '../api/types'
import { useWords } from '../i18n'
import { Ago, Failed, Page, Section, Table } from '../ui/parts'

// The lab's own catalogue (docs/lab.md).
const FAULTS = [
  'latency',
  'error_rate',
  'cpu',
  'traffic_spike',
  'memory_leak',
  'db_connections',
  'consumer_lag',
  'crash_loop',
  'bad_deployment',
]

const path = (service: string) => `/api/v1/lab/faults/${encodeURIComponent(service)}`

export function Lab() {
  const { t, name } = useWords()
  const { session } = useStanding()
  const { view } = useLive()
  const may = useMay('admin')
  const client = useQueryClient()
  const again = () => client.invalidateQueries({ queryKey: ['faults'] })
  const faults = useQuery({
    queryKey: ['faults'],
    queryFn: () => raw<{ faults: Fault[] }>('GET', '/api/v1/lab/faults'),
    enabled: session.lab,
    refetchInterval: 3000,
  })
  const inject = useMutation({
    mutationFn: (fault: { service: string; type: string }) => raw('POST', path(fault.service), { type: fault.type }),
    onSettled: again,
  })
  const clear = useMutation({
    mutationFn: (fault: Fault) => raw('DELETE', `${path(fault.service)}?type=${encodeURIComponent(fault.type)}`),
    onSettled: again,
  })
  if (!session.lab) {
    return (
      <Page title={t('lab.title')}>
        <p>{t('lab.none')}</p>
      </Page>
    )
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    inject.mutate({ service: String(fields.get('service')), type: String(fields.get('type')) })
  }
  const services = (view?.graph.nodes ?? []).map((node) => node.service)
  return (
    <Page title={t('lab.title')}>
      {may && (
        <form className="filters" onSubmit={submit}>
          <label>
            {t('col.service')}
            <select name="service">
              {services.map((service) => (
                <option key={service}>{service}</option>
              ))}
            </select>
          </label>
          <label>
            {t('lab.type')}
            <select name="type">
              {FAULTS.map((type) => (
                <option key={type} value={type}>
                  {name('fault', type)}
                </option>
              ))}
            </select>
          </label>
          <button type="submit" className="danger" disabled={inject.isPending}>
            {t('lab.inject')}
          </button>
        </form>
      )}
      {may && <Deploy services={services} />}
      {inject.isSuccess && <p role="status">{t('lab.injected', { service: inject.variables.service, type: name('fault', inject.variables.type) })}</p>}
      <Failed error={inject.error ?? clear.error ?? faults.error} />
      <Section title={t('lab.faults')}>
        <Table
          label={t('lab.faults')}
          rows={faults.data?.faults ?? []}
          id={(row) => `${row.service} ${row.type}`}
          empty={faults.data ? t('lab.noFaults') : ''}
          columns={[
            { head: t('col.service'), cell: (row) => row.service },
            { head: t('lab.type'), cell: (row) => name('fault', row.type) },
            { head: t('col.what'), cell: (row) => row.detail, wide: true },
            { head: t('col.at'), cell: (row) => <Ago at={row.injected_at} /> },
            {
              head: t('lab.clear'),
              cell: (row) => (
                <button type="button" disabled={!may || clear.isPending} onClick={() => clear.mutate(row)}>
                  {t('lab.clear')}
                </button>
              ),
            },
          ]}
        />
      </Section>
    </Page>
  )
}

// A harmless deployment: midwatch should say that it was changed, and that nothing came of it.
function Deploy({ services }: { services: string[] }) {
  const { t } = useWords()
  const deploy = useMutation({
    mutationFn: async (service: string) => {
      const versions = `/api/v1/lab/versions/${encodeURIComponent(service)}`
      const { harmless_next: version } = await raw<{ harmless_next: string }>('GET', versions)
      await raw('POST', versions, { version })
      return { service, version }
    },
  })
  return (
    <form
      className="filters"
      onSubmit={(event) => {
        event.preventDefault()
        deploy.mutate(String(new FormData(event.currentTarget).get('deployed')))
      }}
    >
      <label>
        {t('lab.deployed')}
        <select name="deployed">
          {services.map((service) => (
            <option key={service}>{service}</option>
          ))}
        </select>
      </label>
      <button type="submit" disabled={deploy.isPending}>
        {t('lab.deploy')}
      </button>
      {deploy.data && <p role="status">{t('lab.deployedNow', deploy.data)}</p>}
      <Failed error={deploy.error} />
    </form>
  )
}
