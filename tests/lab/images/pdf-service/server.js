// Stands for the original's Go service: makes a PDF document from what the API sends of a student.
const http = require('http');

const port = Number(process.env.PORT || 8080);
const log = (text) => console.error(`${new Date().toISOString().replace(/-/g, '/').slice(0, 19).replace('T', ' ')} ${text}`);
const escaped = (text) => String(text).replace(/[\\()]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?');

// One page of lines: four objects and the table that says where each begins.
function pdf(lines) {
  const content = `BT /F1 12 Tf 60 780 Td 16 TL ${lines.map((line) => `(${escaped(line)}) Tj T*`).join(' ')} ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
  ];
  let text = '%PDF-1.4\n';
  const starts = objects.map((object, index) => {
    const start = text.length;
    text += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return start;
  });
  const table = starts.map((start) => `${String(start).padStart(10, '0')} 00000 n \n`).join('');
  return `${text}xref\n0 5\n0000000000 65535 f \n${table}trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`;
}

function report(body, response) {
  let student;
  try {
    student = JSON.parse(body);
  } catch (error) {
    log(`Error decoding request body: ${error.message}`);
    response.writeHead(400).end(`Invalid request body: ${error.message}\n`);
    return;
  }
  log(`Generating PDF for student: ${student.name} (ID: ${student.id})`);
  const fields = Object.entries(student).map(([name, value]) => `${name}: ${value ?? 'N/A'}`);
  const head = { 'content-type': 'application/pdf', 'content-disposition': `inline; filename=student_${student.id}_report.pdf` };
  response.writeHead(200, head).end(pdf(['STUDENT REPORT', '', ...fields]), 'latin1');
  log(`PDF report generated successfully for student ID: ${student.id}`);
}

http.createServer((request, response) => {
  if (request.url === '/health') {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"service":"student-pdf-report","status":"ok"}\n');
  } else if (request.url === '/api/v1/generate-pdf' && request.method === 'POST') {
    const parts = [];
    request.on('data', (part) => parts.push(part)).on('end', () => report(Buffer.concat(parts).toString(), response));
  } else {
    response.writeHead(404).end('404 page not found\n');
  }
}).listen(port, () => log(`PDF service starting on port ${port}`));

// Process 1 gets no default signal handling; the original ends at once, as a Go program does.
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
