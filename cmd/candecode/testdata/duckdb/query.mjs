// Answers queries, one for each line of standard input, with a line of JSON.
// The first argument is where @duckdb/node-api is installed.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const { DuckDBInstance } = createRequire(process.argv[2] + '/')('@duckdb/node-api');
const connection = await (await DuckDBInstance.create(':memory:')).connect();
for await (const query of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify((await connection.runAndReadAll(query)).getRowsJson()));
  } catch (error) {
    console.log(JSON.stringify(String(error)));
  }
}
