const bcrypt = require('bcryptjs');
const express = require('express');
const config = require('./lib/config');
const logger = require('./lib/logger');
const database = require('./lib/database');
const cache = require('./lib/cache');
const blockchain = require('./lib/blockchain');
const { requireSession, limitLogins, sign, failure } = require('./lib/sessions');

// An unknown user costs as much as a wrong password, so that the answer's time tells nothing.
const NOBODY = bcrypt.hashSync('nobody', 11);

const app = express();
app.disable('x-powered-by');
app.use(express.json());
app.use((req, res, next) => {
  const started = Date.now();
  res.on('finish', () => logger.log('http', `${req.ip} - - "${req.method} ${req.originalUrl} HTTP/${req.httpVersion}" ${res.statusCode} ${Date.now() - started}ms`));
  next();
});

const route = (handler) => (req, res, next) => handler(req, res).catch(next);

// Shallow on purpose: it looks at nothing but the process.
app.get('/health', (req, res) => res.json({
  success: true,
  status: 'healthy',
  timestamp: new Date().toISOString(),
  uptime: process.uptime(),
  environment: config.environment,
}));

app.post('/api/v1/auth/login', limitLogins, route(async (req, res) => {
  const { username = '', password = '' } = req.body;
  const { rows: [user] } = await database.query(
    'SELECT id, email, password, role_id FROM users WHERE email = $1 AND is_active', [String(username)]);
  const matches = await bcrypt.compare(String(password), user ? user.password : NOBODY);
  if (!user || !matches) throw failure(401, 'Invalid credential');
  const token = sign(user);
  await database.query(
    "INSERT INTO user_refresh_tokens (user_id, token, expires_at) VALUES ($1, md5(random()::text), now() + interval '8 hours')", [user.id]);
  res.json({ success: true, token });
}));

const list = (module, text) => route(async (req, res) => {
  res.json({ success: true, data: await cache.through(module, 'list', 60, async () => (await database.query(text)).rows) });
});

app.get('/api/v1/students', requireSession, list('students',
  'SELECT u.id, u.name, u.email, p.class_name, p.section_name, p.roll FROM users u JOIN user_profiles p ON p.user_id = u.id WHERE u.role_id = 3 ORDER BY u.id'));
app.get('/api/v1/classes', requireSession, list('classes', 'SELECT id, name, sections FROM classes ORDER BY id'));
app.get('/api/v1/notices', requireSession, list('notices', 'SELECT id, title, status, created_dt FROM notices ORDER BY id DESC'));

app.get('/api/v1/certificates/health', (req, res) => {
  const initialized = blockchain.initialised();
  res.json({ success: true, status: initialized ? 'healthy' : 'unavailable', blockchain: { initialized, contractAddress: config.blockchain.address } });
});
app.get('/api/v1/certificates/verify/:id', route(async (req, res) => {
  const certificate = await blockchain.read(req.params.id);
  if (!certificate) throw failure(404, 'Certificate not found');
  res.json({ success: true, valid: true, certificate });
}));
app.post('/api/v1/certificates', requireSession, route(async (req, res) => {
  const { id, student, title } = req.body;
  const transaction = await blockchain.issue(String(id), String(student), String(title));
  res.status(201).json({ success: true, id, transaction });
}));

app.use((req, res, next) => next(failure(404, 'Not found')));

// Every failure is logged at level error, visitors without a session included.
app.use((error, req, res, next) => { // eslint-disable-line no-unused-vars
  const status = error.status || 500;
  logger.error(status < 500 ? `${error}` : error.stack || `${error}`);
  res.status(status).json({ success: false, error: status === 500 ? 'INTERNAL_ERROR' : error.message });
});

process.on('uncaughtException', (error) => {
  logger.error(`Uncaught Exception: ${error.stack || error}`);
  // Give the line time to reach the log, then let the restart policy do its work.
  setTimeout(() => process.exit(1), 100);
});

async function main() {
  await cache.connect();
  await blockchain.initialise();
  const server = app.listen(config.port, () => logger.info(`Server is running on port ${config.port}`));
  database.test();
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      logger.info(`${signal} received, shutting down`);
      server.close();
      setTimeout(() => process.exit(0), 200);
    });
  }
}

main();
