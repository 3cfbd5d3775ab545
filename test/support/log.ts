/** A log that nobody reads. */
export const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

/** A log that keeps its lines as JSON text, for tests that look for what must, or must not, be there. */
export function recordingLog() {
  const lines: string[] = [];
  const write = (level: string) => (fields: object, message: string) => {
    lines.push(JSON.stringify({ level, ...fields, message }));
  };
  return { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
