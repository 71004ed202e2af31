// Console: coloured lines for people, with the message alone. Files, in the container: the same as JSON, with every
// field. Access lines have the level `http`, which is below `info`: in production they are printed nowhere.
const path = require('path');
const winston = require('winston');
const config = require('./config');

const levels = { error: 0, warn: 1, info: 2, http: 3, debug: 4 };
winston.addColors({ error: 'red', warn: 'yellow', info: 'green', http: 'magenta', debug: 'blue' });

// The original's format: what it takes for milliseconds is the minute and the second once more.
const stamp = winston.format.timestamp({ format: 'YYYY-MM-DD HH:mm:ss:ms' });
const fileFormat = winston.format.combine(stamp, winston.format.json());
const file = (name, options = {}) => new winston.transports.File({
  filename: path.join(__dirname, '../logs', name), format: fileFormat, ...options });
const rotation = { maxsize: 5 * 1024 * 1024, maxFiles: 5 };

module.exports = winston.createLogger({
  level: config.logLevel,
  levels,
  transports: [
    new winston.transports.Console({
      format: winston.format.combine(stamp, winston.format.colorize({ all: true }),
        winston.format.printf((info) => `${info.timestamp} ${info.level}: ${info.message}`)),
    }),
    file('error.log', { level: 'error', ...rotation }),
    file('combined.log', rotation),
  ],
  exceptionHandlers: [file('exceptions.log')],
  rejectionHandlers: [file('rejections.log')],
  exitOnError: false,
});
