import type { NewService } from './contract.js'

/**
 * The steps that `npm run new-service` leaves to the user, one line for each: a manifest for Kubernetes with its secret, and the
 * alerts that fire when the service has no instance. Both depend on how the user's services are run.
 */
export function deploymentSteps ({ name, hasDatabase, receives, sends }: Pick<NewService, 'name' | 'hasDatabase' | 'receives' | 'sends'>, port: number): string[] {
  const absent = (alert: string, metric: string, labels = '') => `observability/alerts.yml   in ${alert}: or absent(${metric}{${labels}job="${name}-service"})`
  return [
    `deploy/kubernetes/${name}.yaml   a copy of profile.yaml for ${name} and port ${port}${hasDatabase ? '' : ', without secretRef'}, listed in kustomization.yaml`,
    ...hasDatabase ? [`deploy/kubernetes/secrets.example.yaml   ${name}-secrets, with its DATABASE_URL`] : [],
    absent('ServiceDown', 'health_check_status', 'check="ready", '),
    ...receives.length > 0 ? [absent('ConsumerGroupHasNoMember', 'kafka_consumer_assigned_partitions')] : [],
    ...sends.length > 0 && hasDatabase ? [absent('OutboxAgeUnknown', 'outbox_oldest_event_age_seconds')] : []
  ]
}
