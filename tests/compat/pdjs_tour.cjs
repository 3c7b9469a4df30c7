// What people do with PagerDuty's JavaScript client: reads what it needs from standard input, prints what it saw.
const { api, change, trigger, acknowledge, resolve } = require('@pagerduty/pdjs');

const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

async function main(told) {
  const pd = api({ token: told.key, server: `${told.server}/api.pagerduty.com` });
  const sent = { server: told.server };
  const event = (dedupKey, payload) => ({ routing_key: told.routing_key, dedup_key: dedupKey, payload });
  const saw = {};

  async function found(dedupKey, status) {
    for (let at = 0; at < 500; at += 1) {
      const listed = await pd.get('/incidents', { queryParameters: { 'service_ids[]': [told.service_id], incident_key: dedupKey } });
      const incident = listed.resource.find((one) => one.status === status);
      if (incident) return incident;
      await pause(20);
    }
    throw new Error(`${dedupKey} is not ${status}`);
  }

  // Events
  const problem = { summary: 'Disk is full on db1', source: 'db1', severity: 'critical' };
  const triggered = await trigger({ ...sent, data: event('disk', problem) });
  saw.triggered = [triggered.response.status, triggered.data.dedup_key];
  const incident = await found('disk', 'triggered');
  await acknowledge({ ...sent, data: event('disk') });
  saw.acknowledged = (await found('disk', 'acknowledged')).id === incident.id;
  await resolve({ ...sent, data: event('disk') });
  saw.resolved = (await found('disk', 'resolved')).id === incident.id;
  const changed = await change({ ...sent, data: { routing_key: told.routing_key, payload: { summary: 'Deployed 4.2', source: 'ci' } } });
  saw.changed = changed.response.status;
  const refused = await trigger({ ...sent, data: event('disk', { ...problem, severity: 'page' }) });
  saw.refused = [refused.response.status, refused.data.errors];

  // REST
  saw.me = (await pd.get('/users/me')).data.user.email;
  const many = await pd.all('/users', { queryParameters: { limit: 10, query: told.many } });
  saw.all = many.resource.map((user) => user.email);
  saw.pages = many.data.length;
  const whole = { 'service_ids[]': [told.service_id], limit: 2, total: 'true' };
  saw.incidents = (await pd.all('/incidents', { queryParameters: whole })).resource.length;
  const entries = await pd.all('/log_entries', { queryParameters: { limit: 3, since: told.since } });
  saw.entries = [entries.resource.length, new Set(entries.resource.map((entry) => entry.id)).size];
  const made = await pd.post('/teams', { data: { team: { type: 'team', name: told.name } } });
  saw.made = [made.response.status, made.resource.name];
  const put = await pd.put(`/teams/${made.resource.id}`, { data: { team: { description: 'Disks' } } });
  saw.put = put.resource.description;
  saw.deleted = (await pd.delete(`/teams/${made.resource.id}`)).status;
  saw.gone = (await pd.get(`/teams/${made.resource.id}`)).data.error.code;
  const plain = await api({ token: told.key, tokenType: 'bearer', url: `https://${told.server}/abilities` });
  saw.abilities = plain.data.abilities.includes('teams');
  return saw;
}

let text = '';
process.stdin.on('data', (part) => { text += part; });
process.stdin.on('end', () => {
  main(JSON.parse(text)).then(
    (saw) => process.stdout.write(JSON.stringify(saw), () => process.exit(0)),  // its time-outs would keep it alive
    (error) => { process.stderr.write(`${error.stack || JSON.stringify(error)}\n`); process.exit(1); },
  );
});
