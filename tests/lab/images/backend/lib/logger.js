// Console: coloured lines for people. Files: the same lines as JSON. Access lines have the level
// `http`, which is below `info`: in production they are printed nowhere.
const winston = require('winston');
const config = require('./config');

const levels = { error: 0, warn: 1, info: 2, http: 3, debug: 4 };
winston.addColors({ error: 'red', warn: 'yellow', info: 'green', http: 'magenta', debug: 'white' });

// `ms` is the millisecond's number without padding, as the original prints it.
function timestamp() {
  const now = new Date();
  const two = (n) => String(n).padStart(2, '0');
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} `
    + `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}:${now.getMilliseconds()}`;
}

const stamp = winston.format((info) => ({ ...info, timestamp: timestamp() }));
const rotation = { maxsize: 5 * 1024 * 1024, maxFiles: 5 };

function file(name, level) {
  const transport = new winston.transports.File({ dirname: config.logDirectory, filename: name, level, ...rotation,
    format: winston.format.combine(stamp(), winston.format.json()) });
  return transport;
}

const logger = winston.createLogger({
  level: config.logLevel,
  levels,
  transports: [
    new winston.transports.Console({
      format: winston.format.combine(stamp(), winston.format.colorize({ all: true }),
        winston.format.printf((info) => `${info.timestamp} ${info.level}: ${info.message}`)),
    }),
    file('error.log', 'error'),
    file('combined.log'),
  ],
});
// A full disk must not end the process: the console still has the line.
logger.on('error', (error) => process.stderr.write(`logger: ${error.message}\n`));

module.exports = logger;
