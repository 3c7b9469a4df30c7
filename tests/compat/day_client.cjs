// Lives the scripted day with PagerDuty's JavaScript client: reads what it needs from standard input, prints the answers.
const { api } = require('@pagerduty/pdjs');

function filled(value, kept) {
  if (typeof value === 'string') return Object.entries(kept).reduce((text, [name, word]) => text.split(`{${name}}`).join(word), value);
  if (Array.isArray(value)) return value.map((part) => filled(part, kept));
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, filled(part, kept)]));
  return value;
}

const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));
const at = (value, place) => place.split('.').reduce((part, name) => part[name], value);

async function asked(client, call) {
  const more = { queryParameters: call.query };
  if (call.body !== null) more.data = call.body;
  const answer = await client[call.method.toLowerCase()](call.path, more);
  const status = (answer.response || answer).status;
  if (status !== call.status) return [`status ${status}`, JSON.stringify(answer.data)];
  if (status === 204) return ['none', null];
  if (status >= 400) return ['plain', answer.data.error];
  const body = call.wrap ? answer.data[call.wrap] : answer.data;
  // What the client took for the resource, where it took something, is the resource.
  if (call.wrap && answer.resource && JSON.stringify(answer.resource) !== JSON.stringify(body)) return ['another resource', answer.resource];
  return [answer.resource ? 'resource' : 'plain', body];
}

async function main(told) {
  const { kept } = told;
  const server = { server: `${told.server}/api.pagerduty.com` };
  const clients = {
    admin: api({ token: told.key, ...server }),
    bot: api({ token: told.account_key, ...server, headers: { From: kept.mail } }),
  };
  const answers = [];
  for (const raw of told.calls) {
    const call = filled(raw, kept);
    let [how, answer] = await asked(clients[call.who], call);
    for (let at = 0; call.patient && at < 500 && answer.length === 0; at += 1) {
      await pause(20);
      [how, answer] = await asked(clients[call.who], call);
    }
    if (how.startsWith('status')) throw new Error(`${JSON.stringify(call)} ${how} ${String(answer).slice(0, 500)}`);
    for (const [name, place] of Object.entries(call.keep)) kept[name] = String(at(answer, place));
    answers.push([how, call.expect, answer]);
  }
  const walked = {};
  for (const page of told.pages) {
    if (!page.cursor) {
      const all = await clients.admin.all(page.path, { queryParameters: { limit: 100, ...page.query } });
      walked[page.path] = all.resource.map((one) => one[page.name]);
    }
  }
  return { answers, kept, walked };
}

let text = '';
process.stdin.on('data', (part) => { text += part; });
process.stdin.on('end', () => {
  main(JSON.parse(text)).then(
    (saw) => process.stdout.write(JSON.stringify(saw), () => process.exit(0)),  // its time-outs would keep it alive
    (error) => { process.stderr.write(`${error.stack || JSON.stringify(error)}\n`); process.exit(1); },
  );
});
