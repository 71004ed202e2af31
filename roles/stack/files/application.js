// How the application sees its database, cache and chain: asked in its own container, with its own
// driver, environment, resolver and network, by a process of its own. Reads only.
//
// Out: one line of JSON, {way, database, cache, chain}. A part is null where none is configured, else
//      {outcome, reason, where, ms, …}: outcome is works, no_name, no_route, refused, timed_out,
//      wrong_password, no_database, no_session_left, read_only, permission, lock, starting or error.
//      way is "driver"; or "none", and missing says why the database could not be asked.
//      No secret leaves the container.

const fs = require('fs');
const net = require('net');
const path = require('path');

const DEADLINE = Number(process.argv[2]) || 4000; // milliseconds of each part, side by side
const LOCK_WAIT = 700;

// --- what the application was configured with ---------------------------------------------------

// The environment of process 1, which an entry point may have added to, and a file .env behind it.
function environment() {
  const found = {};
  try {
    const file = fs.existsSync('.env') && resolve('dotenv');
    if (file) Object.assign(found, require(file).parse(fs.readFileSync('.env')));
  } catch {}
  Object.assign(found, process.env);
  try {
    for (const pair of fs.readFileSync('/proc/1/environ', 'utf8').split('\0')) {
      const end = pair.indexOf('=');
      if (end > 0) found[pair.slice(0, end)] = pair.slice(end + 1);
    }
  } catch {}
  return found;
}

// The path of a module as the application would find it; undefined where there is none.
function resolve(name) {
  const places = [process.cwd()];
  try {
    places.push(fs.readlinkSync('/proc/1/cwd'));
    const script = fs.readFileSync('/proc/1/cmdline', 'utf8').split('\0').find((word) => /\.[cm]?js$/.test(word));
    if (script) places.push(path.dirname(path.resolve(places[1], script)));
  } catch {}
  try {
    return require.resolve(name, { paths: places });
  } catch {}
}

// The first variable of these names that says something; NAME_FILE names a file that holds it.
function setting(...names) {
  for (const name of names) {
    if (env[name]) return env[name];
    try {
      if (env[`${name}_FILE`]) return fs.readFileSync(env[`${name}_FILE`], 'utf8').trim();
    } catch {}
  }
}

// The addresses of databases that are named, of any kind.
function databaseUrls() {
  const names = ['DATABASE_URL', 'POSTGRES_URL', 'DB_URL', 'PG_URL', 'DATABASE_URI', 'POSTGRES_URI'];
  return names.map((name) => setting(name)).filter(Boolean);
}

// Whether what is named is a database of another kind than PostgreSQL.
function isAnother() {
  const urls = databaseUrls();
  if (urls.length) return !urls.some(isPostgres);
  const kind = setting('DB_CONNECTION', 'DB_DIALECT', 'DB_TYPE', 'DB_CLIENT', 'DB_ENGINE', 'DATABASE_TYPE', 'DATABASE_CLIENT') || '';
  return (kind && !/postgres|^pg/i.test(kind)) || OTHER_PORTS.includes(Number(setting('DB_PORT', 'DATABASE_PORT')));
}

// Without a scheme it may be one of libpq's.
const isPostgres = (url) => /^(postgres(ql)?|pg(sql)?)(\+\w+)?:/i.test(url) || !/^[a-z][a-z0-9+.-]*:/i.test(url);
const OTHER_PORTS = [1433, 1521, 3306, 27017]; // of MSSQL, Oracle, MySQL, MongoDB

function databaseSettings() {
  const url = databaseUrls().find(isPostgres);
  const other = process.env.APPLICATION_DATABASE; // one that is not in the application's place yet
  if (url && other) return { connectionString: Object.assign(new URL(url), { pathname: `/${encodeURIComponent(other)}` }).href };
  if (url) return { connectionString: url };
  const host = setting('DB_HOST', 'DATABASE_HOST', 'POSTGRES_HOST', 'PGHOST');
  if (!host) return null;
  return {
    host,
    port: Number(setting('DB_PORT', 'DATABASE_PORT', 'POSTGRES_PORT', 'PGPORT')) || 5432,
    database: other || setting('DB_NAME', 'DB_DATABASE', 'DATABASE_NAME', 'POSTGRES_DB', 'PGDATABASE'),
    user: setting('DB_USER', 'DB_USERNAME', 'DATABASE_USER', 'POSTGRES_USER', 'PGUSER'),
    password: setting('DB_PASSWORD', 'DB_PASS', 'DATABASE_PASSWORD', 'POSTGRES_PASSWORD', 'PGPASSWORD'),
    ...(/^(true|1|require|no-verify)$/i.test(setting('DB_SSL', 'PGSSLMODE') || '') && { ssl: { rejectUnauthorized: false } }),
  };
}

function cacheSettings() {
  const enabled = setting('REDIS_ENABLED', 'CACHE_ENABLED');
  if (enabled && !/^(true|1|yes|on)$/i.test(enabled)) return null;
  const url = setting('REDIS_URL', 'REDIS_URI', 'CACHE_URL');
  if (!url && !enabled && !setting('REDIS_HOST')) return null;
  if (/^[a-z]+:\/\//i.test(url) && !/^(redis|valkey|keydb)s?:/i.test(url)) return null; // of another kind
  const from = new URL(url || `redis://${setting('REDIS_HOST') || 'localhost'}:${setting('REDIS_PORT') || 6379}`);
  return {
    host: from.hostname.replace(/^\[|\]$/g, ''),
    port: Number(from.port) || 6379,
    secure: from.protocol === 'rediss:',
    user: decodeURIComponent(from.username) || setting('REDIS_USER', 'REDIS_USERNAME'),
    password: decodeURIComponent(from.password) || setting('REDIS_PASSWORD', 'REDIS_PASS'),
  };
}

function chainSettings() {
  const network = (setting('BLOCKCHAIN_NETWORK') || 'localhost').toUpperCase();
  const url = setting(`${network}_RPC_URL`, 'BLOCKCHAIN_RPC_URL', 'LOCALHOST_RPC_URL', 'RPC_URL', 'ETH_RPC_URL', 'WEB3_PROVIDER_URL');
  if (url) return new URL(url);
  return setting('BLOCKCHAIN_NETWORK') ? new URL('http://127.0.0.1:8545') : null;
}

// --- what an error means -------------------------------------------------------------------------

const NO_NAME = ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME'];
const SYSTEM = { ENETUNREACH: 'no_route', EHOSTUNREACH: 'no_route', ENETDOWN: 'no_route', ECONNREFUSED: 'refused', ENOENT: 'refused', ETIMEDOUT: 'timed_out' };
const PLAIN = { no_route: 'no route to', refused: 'connection refused by', timed_out: 'no connection in time to' };
const SQLSTATE = {
  '28P01': 'wrong_password', 28000: 'wrong_password', '3D000': 'no_database', 53300: 'no_session_left', 25006: 'read_only',
  42501: 'permission', '55P03': 'lock', '57P03': 'starting', 57014: 'timed_out',
};

// What went wrong with a part, in one word and one line. Usage: judge(error, { host, where })
function judge(error, { host, where }) {
  const cause = error.errors && error.errors.length ? error.errors[0] : error;
  const code = String(cause.code || '');
  if (NO_NAME.includes(code)) return { outcome: 'no_name', reason: `cannot resolve the name ${host} (${code})`, code };
  if (SYSTEM[code]) return { outcome: SYSTEM[code], reason: `${PLAIN[SYSTEM[code]]} ${where} (${code})`, code };
  const text = cause.message || code || 'failed without a word';
  if (/password must be a string|^(NOAUTH|WRONGPASS)|invalid password|without any password configured/i.test(text)) {
    return { outcome: 'wrong_password', reason: `${where}: ${text}` };
  }
  if (/^LOADING/.test(text)) return { outcome: 'starting', reason: `${where}: ${text}` };
  if (/^MISCONF/.test(text)) return { outcome: 'read_only', reason: `${where}: ${text}` };
  if (/^ERR max number of clients/.test(text)) return { outcome: 'no_session_left', reason: `${where}: ${text}` };
  const known = /^[0-9A-Z]{5}$/.test(code);
  return { outcome: SQLSTATE[code] || 'error', reason: `${where}: ${text}${known ? ` (SQLSTATE ${code})` : ''}`, ...(code && { code }) };
}

// Runs one exchange under the deadline, and says what became of it. The exchange shows its socket, so that
// one that hangs can be told by where it hung. Usage: under(host, port, exchange(watch))
async function under(host, port, exchange) {
  const where = host.startsWith('/') ? host : `${host}:${port}`;
  const began = Date.now();
  let phase = net.isIP(host) || host.startsWith('/') ? 'connect' : 'name';
  const watch = (socket) => socket
    .on('lookup', (error) => { if (!error && phase === 'name') phase = 'connect'; })
    .on('connect', () => { phase = 'answer'; });
  let timer;
  const late = new Promise((done) => {
    timer = setTimeout(() => done({
      name: { outcome: 'no_name', reason: `cannot resolve the name ${host}: its resolver did not answer within ${DEADLINE / 1000} s` },
      connect: { outcome: 'timed_out', reason: `no connection to ${where} within ${DEADLINE / 1000} s` },
      answer: { outcome: 'timed_out', reason: `connected to ${where}, which did not answer within ${DEADLINE / 1000} s` },
    }[phase]), DEADLINE);
  });
  const result = await Promise.race([late, exchange(watch, where).catch((error) => judge(error, { host, where }))]);
  clearTimeout(timer);
  return { outcome: result.outcome, reason: result.reason, where, ms: Date.now() - began, ...result };
}

// --- the database ---------------------------------------------------------------------------------

// What decides whether its role can work here. Tables: those read most; locked: what would keep a read of
// them waiting, and for how long by now; pool: what the other sessions from this address do.
const FACTS = `
  WITH relations AS (
    SELECT relid, pg_table_is_visible(relid) AS visible, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) AS scans,
      has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(relid, 'SELECT') AS readable
    FROM pg_stat_user_tables JOIN pg_class ON pg_class.oid = relid WHERE relpersistence <> 't')
  SELECT current_user AS role, current_database() AS database, pg_is_in_recovery() AS standby,
    current_setting('transaction_read_only') = 'on' AS read_only,
    (SELECT coalesce(json_agg(t), '[]') FROM (
      SELECT relid::regclass::text AS name, readable FROM relations
      ORDER BY visible DESC, readable DESC, scans DESC, relid LIMIT 30) AS t) AS tables,
    (SELECT coalesce(json_agg(l), '[]') FROM (
      SELECT relid::regclass::text AS name, pid, granted, state, application_name AS application,
        round(extract(epoch FROM now() - xact_start)) AS seconds
      FROM pg_locks JOIN relations ON relid = relation LEFT JOIN pg_stat_activity USING (pid)
      WHERE readable AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      ORDER BY granted DESC, xact_start LIMIT 5) AS l) AS locked,
    (SELECT json_build_object('sessions', count(*), 'active', count(*) FILTER (WHERE state = 'active'),
        'in_transaction', count(*) FILTER (WHERE state LIKE 'idle in transaction%'),
        'waits', coalesce(round(extract(epoch FROM max(now() - query_start) FILTER (WHERE wait_event_type = 'Lock'))), 0),
        'stuck', count(*) FILTER (WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '10 seconds'))
      FROM pg_stat_activity
      WHERE client_addr = inet_client_addr() AND datname = current_database() AND pid <> pg_backend_pid()
        AND application_name <> 'runbook') AS pool`;

const opened = [];

// Sets deadlines for what comes with it in the same message, and for nothing after that: a connection may be
// a pooler's, and serve others next.
const BOUNDED = `SET LOCAL application_name = 'runbook'; SET LOCAL lock_timeout = ${LOCK_WAIT};
  SET LOCAL statement_timeout = ${LOCK_WAIT * 2};`;

async function database() {
  if (isAnother()) return { missing: 'the settings of the API name a database that is no PostgreSQL' };
  const settings = databaseSettings();
  if (!settings) return { missing: 'the environment of the API has no settings of a database (DATABASE_URL, DB_HOST, PGHOST)' };
  const file = resolve('pg');
  if (!file) return { missing: 'the container of the API has no module pg' };
  // At its start pg makes a Response, to see whether this is a Cloudflare worker: Node.js loads an HTTP
  // client for it, a quarter of the time that all of this takes.
  delete globalThis.Response;
  const { Client } = require(file);
  const socket = new net.Socket();
  const client = new Client({ ...settings, stream: socket });
  client.on('error', () => {});
  return under(client.host, client.port, async (watch, where) => {
    watch(socket);
    await client.connect();
    opened.push(client);
    const answers = await client.query(BOUNDED + FACTS);
    const facts = answers[answers.length - 1].rows[0];
    const judged = await usable(client, facts, where);
    return { ...judged, pool: facts.pool };
  });
}

// Whether the application's role can work in the database it is connected to. A table that somebody has locked
// is read first, and never waited for longer than LOCK_WAIT; of a table only its first page is read.
async function usable(client, facts, where) {
  const { role, database: name } = facts;
  const readable = facts.tables.filter((table) => table.readable);
  if (facts.tables.length === 0) return { outcome: 'error', reason: `database ${name} at ${where} has no tables` };
  if (readable.length === 0) return { outcome: 'permission', reason: `role ${role} may read no table of database ${name} at ${where}` };
  const tables = [...facts.locked, ...readable.slice(0, 3)].map((table) => table.name);
  try {
    const reads = [...new Set(tables)].map((table) => `SELECT 1 FROM ${table} WHERE ctid = '(0,1)'`);
    await client.query(BOUNDED + reads.join(' UNION ALL '));
  } catch (error) {
    if (error.code !== '55P03') throw error;
    const holder = facts.locked[0];
    if (!holder) return { outcome: 'lock', reason: `a lock on ${tables.join(', ')} keeps reads waiting`, seconds: null };
    const who = [`session ${holder.pid}`, holder.application, holder.state].filter(Boolean).join(', ');
    return { outcome: 'lock', reason: `table ${holder.name} is locked by ${who}${holder.seconds === null ? '' : `, for ${holder.seconds} s`}`, table: holder.name, pid: holder.pid, seconds: holder.seconds, idle: /^idle/.test(holder.state || '') };
  }
  if (facts.read_only) {
    return { outcome: 'read_only', reason: facts.standby ? `${where} is a standby: read-only` : `database ${name} at ${where} is read-only for ${role} (default_transaction_read_only)` };
  }
  return { outcome: 'works', reason: `${role} reads ${name} at ${where}` };
}

// --- the cache ------------------------------------------------------------------------------------

async function cache() {
  const settings = cacheSettings();
  if (!settings) return null;
  const { host, port, secure, user, password } = settings;
  return under(host, port, (watch, where) => new Promise((done, fail) => {
    const socket = watch(secure ? require('tls').connect({ host, port, servername: net.isIP(host) ? '' : host }) : net.connect({ host, port }));
    const words = (...all) => `*${all.length}\r\n${all.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
    const auth = password ? words('AUTH', ...(user ? [user] : []), password) : '';
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('error', fail);
    socket.on('end', () => fail(new Error('closed the connection without an answer')));
    socket.on(secure ? 'secureConnect' : 'connect', () => socket.write(auth + words('PING')));
    socket.on('data', (data) => {
      answer += data;
      const lines = answer.split('\r\n');
      const refused = lines.find((line) => line.startsWith('-'));
      // A user who may not PING has reached it all the same.
      if (refused && !refused.startsWith('-NOPERM')) return fail(new Error(refused.slice(1)));
      if (lines.length > (auth ? 2 : 1)) done({ outcome: 'works', reason: `${where} answers PING` });
    });
  }));
}

// --- the chain ------------------------------------------------------------------------------------

async function chain() {
  const url = chainSettings();
  if (!url) return null;
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return under(host, Number(url.port) || (secure ? 443 : 80), (watch, where) => new Promise((done, fail) => {
    const body = '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}';
    const request = require(secure ? 'https' : 'http').request(url, { method: 'POST', agent: false, headers: { 'content-type': 'application/json', 'content-length': body.length } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('error', fail);
      response.on('data', (data) => { text = (text + data).slice(0, 65536); });
      response.on('end', () => {
        const id = (/"result"\s*:\s*"(0x[0-9a-fA-F]+)"/.exec(text) || [])[1];
        if (id) return done({ outcome: 'works', reason: `${where} answers eth_chainId`, chain_id: Number(id) });
        const status = response.statusCode;
        if (status === 401 || status === 403) return done({ outcome: 'wrong_password', reason: `${where} answers ${status}` });
        fail(new Error(`answers eth_chainId with HTTP ${status}: ${text.slice(0, 120)}`));
      });
    });
    request.on('socket', watch);
    request.on('error', fail);
    request.end(body);
  }));
}

// --- all three ------------------------------------------------------------------------------------

// A wrong setting is the application's own error, as it would meet it.
function part(ask) {
  return ask().catch((error) => ({ outcome: 'error', reason: `${error.message || error}` }));
}

// Masks what the environment holds under the name of a secret, and the passwords of its addresses.
function masked(text) {
  const secrets = [];
  for (const [name, value] of Object.entries(env)) {
    if (/pass|pwd|secret|token|key|credential|mnemonic|url|uri|dsn/i.test(name)) secrets.push(value);
    const inside = /:\/\/[^/:\s]*:(.*)@/.exec(value);
    if (!inside) continue;
    secrets.push(inside[1]);
    try { secrets.push(decodeURIComponent(inside[1])); } catch {}
  }
  return secrets.filter((secret) => secret.length >= 4).sort((a, b) => b.length - a.length)
    .reduce((shown, secret) => shown.split(secret).join('********'), text);
}

function plain(view) {
  for (const found of Object.values(view)) {
    if (found && found.reason) found.reason = masked(found.reason).replace(/\s+/g, ' ').slice(0, 300);
  }
  return view;
}

// Where memory runs out, this process goes, and not the application.
try { fs.writeFileSync('/proc/self/oom_score_adj', '1000'); } catch {}

const env = environment();
Promise.all([part(database), part(cache), part(chain)]).then(async ([ofDatabase, ofCache, ofChain]) => {
  const { missing } = ofDatabase;
  const told = missing ? { way: 'none', missing } : { way: 'driver', ...plain({ database: ofDatabase }) };
  fs.writeSync(1, `${JSON.stringify({ ...told, ...plain({ cache: ofCache, chain: ofChain }) })}\n`);
  // A session ends in good order; what hangs is not waited for, as an exit would for a resolver.
  const ended = Promise.all(opened.map((client) => client.end().catch(() => {})));
  const impatience = new Promise((done) => { setTimeout(done, 200); });
  await Promise.race([ended, impatience]);
  process.kill(process.pid, 'SIGKILL');
});
