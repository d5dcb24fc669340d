// Drives the Salesforce-like server through jsforce; prints what jsforce made of the answers, as JSON.
import jsforce from "jsforce";

const url = process.argv[2];
const seen = {};

const login = new jsforce.Connection({ loginUrl: url, instanceUrl: url, version: "62.0" });
const user = await login.login("user@example.com", "secret");
seen.organization = user.organizationId;

const oauth = new jsforce.Connection({
  version: "62.0",
  oauth2: { loginUrl: url, clientId: "id", clientSecret: "secret" },
});
await oauth.authorize({ grant_type: "client_credentials" });
const conn = oauth;

const described = await conn.sobject("Contact").describe();
seen.describe = described.fields.filter((f) => f.externalId).map((f) => [f.name, f.type, f.unique]);
seen.global = (await conn.describeGlobal()).sobjects.map((o) => o.name);

await conn.sobject("Account").create({ Name: "Acme", External_Id__c: "a-7" });
const rows = [
  { External_Id__c: "c-1", LastName: "Zoë O'Neil", LTV__c: 143.7, Account: { External_Id__c: "a-7" } },
  { External_Id__c: "c-2" },
  { External_Id__c: "c-3", LastName: "Poe", Active__c: true },
];
const upserted = await conn.sobject("Contact").upsert(rows, "External_Id__c");
seen.upserted = upserted.map((r) => [r.success, r.created ?? null, r.errors.map((e) => e.statusCode)]);
const again = await conn.sobject("Contact").upsert([rows[0]], "External_Id__c");
seen.again = [again[0].created, again[0].id === upserted[0].id];

const created = await conn.sobject("Contact").create([{ LastName: "New" }, { LastName: "x".repeat(81) }]);
seen.created = created.map((r) => [r.success, r.errors.map((e) => [e.statusCode, e.fields])]);
const updated = await conn.sobject("Contact").update([{ Id: created[0].id, FirstName: "Ann" }]);
seen.updated = updated.map((r) => r.success);

const found = await conn
  .sobject("Contact")
  .find({ External_Id__c: { $in: ["c-1", "c-3", "O'x"] } }, ["LastName", "LTV__c", "Account.Name"])
  .sort("External_Id__c");
seen.found = found.map((r) => [r.LastName, r.LTV__c, r.Account?.Name ?? null]);
seen.count = await conn.sobject("Contact").count({ LastName: { $like: "%o%" } });

const gone = await conn.sobject("Contact").destroy([created[0].id, upserted[2].id]);
seen.gone = gone.map((r) => r.success);
seen.left = await conn.sobject("Contact").count();
try {
  await conn.sobject("Contact").retrieve(created[0].id);
} catch (error) {
  seen.error = error.errorCode;
}

const many = Array.from({ length: 450 }, (_, n) => ({ External_Id__c: `m-${n}`, LastName: `M${n}` }));
const all = await conn.sobject("Contact").upsert(many, "External_Id__c", { allowRecursive: true });
seen.many = all.filter((r) => r.success).length;
let pages = 0;
const read = [];
let page = await conn.query("SELECT External_Id__c FROM Contact WHERE External_Id__c LIKE 'm-%'", { maxFetch: 200, headers: { "Sforce-Query-Options": "batchSize=200" } });
for (;;) {
  pages += 1;
  read.push(...page.records);
  if (page.done) break;
  page = await conn.queryMore(page.nextRecordsUrl);
}
seen.pages = [pages, new Set(read.map((r) => r.External_Id__c)).size];

const load = (operation, input, more = {}) =>
  conn.bulk2.loadAndWaitForResults({ object: "Contact", operation, input, pollInterval: 10, pollTimeout: 20000, ...more });
const ids = (results) => results.successfulResults.map((r) => r.sf__Id);
const hostile = 'one, "two"\nthree\u2028Zoë';
const made = await load("insert", [
  { External_Id__c: "j-1", LastName: hostile, Phone: "1" },
  { External_Id__c: "j-2", LastName: "x".repeat(81), Phone: "2" },
]);
seen.inserted = [made.successfulResults.length, made.failedResults.map((r) => r.sf__Error.split(":")[0])];
const put = await load(
  "upsert",
  [
    { External_Id__c: "j-1", LastName: hostile, Phone: null, "Account.External_Id__c": "a-7" },
    { External_Id__c: "j-3", LastName: "Roe", Phone: "3", "Account.External_Id__c": "none" },
  ],
  { externalIdFieldName: "External_Id__c" },
);
seen.put = [put.successfulResults.map((r) => [r.sf__Created, r.External_Id__c, r.LastName === hostile]),
  put.failedResults[0].sf__Error.split(":")[0], put.unprocessedRecords.length];
const kept = await conn.sobject("Contact").find({ External_Id__c: "j-1" }, ["LastName", "Phone", "Account.Name"]);
seen.kept = kept.map((r) => [r.LastName === hostile, r.Phone, r.Account.Name]);
const dropped = await load("delete", ids(made).map((Id) => ({ Id })));
seen.dropped = [ids(dropped).length === ids(made).length, await conn.sobject("Contact").count({ External_Id__c: "j-1" })];
try {
  await load("insert", [{ Nope__c: "x" }]);
} catch (error) {
  seen.badHeader = error.message.includes("Field name not found : Nope__c");
}
seen.usage = conn.limitInfo.apiUsage.used > 0;
console.log(JSON.stringify(seen));
