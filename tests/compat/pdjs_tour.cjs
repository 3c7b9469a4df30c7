// What people do with PagerDuty's JavaScript client: reads what it needs from standard input, prints what it saw.
const { api, change, trigger, acknowledge, resolve } = require('@pagerduty/pdjs');

const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

// What was written and reads back otherwise; what only the server says is no difference.
function same(sent, got) {
  if (Array.isArray(sent)) {
    if (!Array.isArray(got) || got.length !== sent.length) return [`${sent.length} of them`];
    return sent.flatMap((one, at) => same(one, got[at]));
  }
  if (sent && typeof sent === 'object') return Object.keys(sent).flatMap((name) => same(sent[name], (got || {})[name]));
  return sent === got ? [] : [`${sent} is ${got}`];
}

// Schedules of both kinds and policies are made, changed, previewed, overridden and read back.
async function onCall(pd, told) {
  const [ada, bo] = told.people.map((id) => ({ id, type: 'user_reference' }));
  const start = '2030-01-07T09:00:00+01:00';
  const layer = {
    name: 'Days', start, rotation_virtual_start: start, end: null, rotation_turn_length_seconds: 86400, restrictions: [],
    users: [{ user: ada }, { user: bo }],
  };
  const wish = { type: 'schedule', name: `Turns ${told.name}`, time_zone: 'Europe/Berlin', description: null, schedule_layers: [layer] };
  const made = (await pd.post('/schedules', { data: { schedule: wish } })).resource;
  const read = async () => (await pd.get(`/schedules/${made.id}`)).data.schedule;
  const saw = { made: same(wish, await read()) };
  const kept = await read();
  const changed = { ...kept, schedule_layers: [{ ...kept.schedule_layers[0], users: [{ user: bo }, { user: ada }] }] };
  const queryParameters = { since: '2030-01-07T00:00:00+01:00', until: '2030-01-14T00:00:00+01:00' };
  const seen = await pd.post('/schedules/preview', { queryParameters, data: { schedule: changed } });
  saw.preview = [seen.data.schedule.schedule_layers[0].users[0].user.id === bo.id, same(wish, await read())];
  await pd.put(`/schedules/${made.id}`, { data: { schedule: changed } });
  saw.changed = same({ schedule_layers: [{ users: [{ user: bo }, { user: ada }] }] }, await read());
  const turn = { start: '2030-01-08T12:00:00+01:00', end: '2030-01-08T18:00:00+01:00', user: bo };
  const taken = (await pd.post(`/schedules/${made.id}/overrides`, { data: { overrides: [turn] } })).data;
  const listed = (await pd.get(`/schedules/${made.id}/overrides`, { queryParameters })).data.overrides;
  saw.override = [taken[0].status, same([turn], listed)];
  const v3 = (await pd.post('/v3/schedules', { data: { schedule: { name: `Shifts ${told.name}`, time_zone: 'Europe/Berlin' } } })).data.schedule;
  saw.v3 = same({ name: `Shifts ${told.name}`, time_zone: 'Europe/Berlin', type: 'schedule_v3' }, (await pd.get(`/v3/schedules/${v3.id}`)).data.schedule);
  const targets = [{ id: made.id, type: 'schedule_reference' }, ada];
  const rules = [
    { escalation_delay_in_minutes: 10, targets, escalation_rule_assignment_strategy: { type: 'round_robin' } },
    { escalation_delay_in_minutes: 20, targets: [bo], escalation_rule_assignment_strategy: { type: 'assign_to_everyone' } },
  ];
  const policy = { type: 'escalation_policy', name: `Ladder ${told.name}`, num_loops: 1, escalation_rules: rules };
  const ladder = (await pd.post('/escalation_policies', { data: { escalation_policy: policy } })).resource;
  const strategies = { queryParameters: { 'include[]': ['escalation_rule_assignment_strategies'] } };
  const shown = async () => (await pd.get(`/escalation_policies/${ladder.id}`, strategies)).data.escalation_policy;
  saw.policy = same(policy, await shown());
  const turned = { ...(await shown()), num_loops: 3, escalation_rules: [rules[1], rules[0]] };
  await pd.put(`/escalation_policies/${ladder.id}`, { data: { escalation_policy: turned } });
  saw.turned = same({ num_loops: 3, escalation_rules: [rules[1], rules[0]] }, await shown());
  saw.refused = (await pd.delete(`/schedules/${made.id}`)).data.error.errors;
  saw.deleted = [];
  for (const path of [`/escalation_policies/${ladder.id}`, `/schedules/${made.id}`, `/v3/schedules/${v3.id}`]) {
    saw.deleted.push((await pd.delete(path)).status);
  }
  return saw;
}

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
  saw.onCall = await onCall(pd, told);
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
