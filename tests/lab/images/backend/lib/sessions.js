// Sessions are JWTs. Login attempts are counted in this process, so a restart forgets them.
const jwt = require('jsonwebtoken');
const config = require('./config');

const WINDOW_MILLISECONDS = 15 * 60 * 1000;
const attempts = new Map();

const failure = (status, message) => Object.assign(new Error(message), { status });

function requireSession(req, res, next) {
  const token = (req.headers.authorization || '').replace(/^Bearer /, '');
  try {
    req.user = jwt.verify(token, config.jwtSecret);
    next();
  } catch {
    next(failure(401, 'Unauthorized. Please provide valid tokens.'));
  }
}

function limitLogins(req, res, next) {
  const now = Date.now();
  let entry = attempts.get(req.ip);
  if (!entry || now - entry.since > WINDOW_MILLISECONDS) entry = { since: now, count: 0 };
  entry.count += 1;
  attempts.set(req.ip, entry);
  if (entry.count > config.loginRateLimit) return next(failure(429, 'Too many login attempts, please try again later.'));
  return next();
}

const sign = (user) => jwt.sign({ id: user.id, role: user.role_id }, config.jwtSecret, { expiresIn: '15m' });

module.exports = { requireSession, limitLogins, sign, failure };
