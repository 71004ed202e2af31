// Sessions are JWTs, in cookies or as a bearer token. Logins are counted in this process, so a restart forgets them.
const jwt = require('jsonwebtoken');
const config = require('./config');
const logger = require('./logger');

const WINDOW_SECONDS = 15 * 60;
const attempts = new Map();

const failure = (status, message) => Object.assign(new Error(message), { status });

function cookie(req, name) {
  const pair = (req.headers.cookie || '').split(/; */).find((text) => text.startsWith(`${name}=`));
  return pair && decodeURIComponent(pair.slice(name.length + 1));
}

function requireSession(req, res, next) {
  const token = (req.headers.authorization || '').replace(/^Bearer /, '') || cookie(req, 'accessToken');
  if (!token) return next(failure(401, 'Unauthorized. Please provide valid tokens.'));
  try {
    req.user = jwt.verify(token, config.accessSecret);
  } catch {
    return next(failure(401, 'Unauthorized. Please provide valid access token.'));
  }
  return next();
}

// Every request counts, whatever becomes of it.
function limitLogins(req, res, next) {
  const now = Date.now() / 1000;
  let entry = attempts.get(req.ip);
  if (!entry || now - entry.since > WINDOW_SECONDS) entry = { since: now, count: 0 };
  entry.count += 1;
  attempts.set(req.ip, entry);
  res.set({
    'RateLimit-Policy': `${config.loginRateLimit};w=${WINDOW_SECONDS}`,
    'RateLimit-Limit': config.loginRateLimit,
    'RateLimit-Remaining': Math.max(0, config.loginRateLimit - entry.count),
    'RateLimit-Reset': Math.ceil(WINDOW_SECONDS - (now - entry.since)),
  });
  if (entry.count <= config.loginRateLimit) return next();
  logger.warn('Strict rate limit exceeded', { ip: req.ip, path: req.path });
  const error = { code: 'TOO_MANY_ATTEMPTS', message: 'Too many attempts. Please try again in 15 minutes.' };
  return res.status(429).json({ success: false, error });
}

// A body that is no login is answered before anybody looks at the database.
function validateLogin(req, res, next) {
  const { username, password } = req.body;
  const detail = [];
  if (typeof username !== 'string' || username === '') detail.push({ path: 'body.username', message: 'Username is required' });
  if (typeof password !== 'string' || password.length < 6) {
    detail.push({ path: 'body.password', message: 'Password must be at least 6 characters long' });
  }
  if (detail.length > 0) return res.status(400).json({ success: false, error: 'Validation error', detail });
  return next();
}

const sign = (user, secret, milliseconds) => jwt.sign({ id: user.id, role: user.role_id }, secret, { expiresIn: `${milliseconds}ms` });
const accessToken = (user) => sign(user, config.accessSecret, config.accessMilliseconds);
const refreshToken = (user) => sign(user, config.refreshSecret, config.refreshMilliseconds);

function refreshed(req) {
  try {
    return jwt.verify(cookie(req, 'refreshToken'), config.refreshSecret);
  } catch {
    throw failure(401, 'Invalid refresh token');
  }
}

module.exports = { requireSession, limitLogins, validateLogin, accessToken, refreshToken, refreshed, cookie, failure };
