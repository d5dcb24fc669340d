// Drives the HubSpot-like server through @hubspot/api-client; prints what it made of the answers, as JSON.
import { Client } from "@hubspot/api-client";

const client = new Client({ accessToken: "pat-eu1-foreign", basePath: process.argv[2], numberOfApiCallRetries: 0 });
const contacts = client.crm.contacts;
const seen = {};

const input = (key, properties) => ({
  id: key,
  idProperty: "warehouse_id",
  objectWriteTraceId: `trace-${key}`,
  properties,
});

const first = await contacts.batchApi.upsert({
  inputs: [input("a", { firstname: "Zoë", email: "A@x.io" }), input("b", { n_orders: "7" })],
});
seen.first = [first.status, first.results.map((r) => r._new), first.results.every((r) => r.createdAt instanceof Date)];

const mixed = await contacts.batchApi.upsert({
  inputs: [input("a", { lastname: "Roe" }), input("c", { n_orders: "many" })],
});
seen.mixed = [mixed.results.map((r) => r.properties.lastname), mixed.numErrors, mixed.errors[0].category,
  mixed.errors[0].context.objectWriteTraceId];

const read = await contacts.batchApi.read({
  idProperty: "warehouse_id",
  properties: ["email", "n_orders", "phone"],
  propertiesWithHistory: [],
  inputs: [{ id: "a" }, { id: "b" }],
});
seen.read = read.results.map((r) => [r.properties.email, r.properties.n_orders, r.properties.phone]).sort();

const created = await contacts.batchApi.create({ inputs: [{ properties: { lastname: "New" }, associations: [] }] });
seen.created = created.results.length;
try {
  await contacts.basicApi.create({ properties: { email: "a@X.io" }, associations: [] });
} catch (error) {
  seen.conflict = [error.code, error.body.category];
}

const search = await contacts.searchApi.doSearch({
  filterGroups: [{ filters: [{ propertyName: "n_orders", operator: "GTE", value: "7" }] }],
  properties: ["warehouse_id"],
  sorts: [],
  limit: 10,
  after: "0",
});
seen.search = [search.total, search.results[0].properties.warehouse_id];

const id = created.results[0].id;
await contacts.batchApi.archive({ inputs: [{ id }] });
try {
  await contacts.basicApi.getById(id);
} catch (error) {
  seen.archived = error.code;
}
seen.all = (await contacts.getAll()).length;

const properties = await client.crm.properties.coreApi.getAll("contacts");
const unique = properties.results.filter((p) => p.hasUniqueValue).map((p) => p.name).sort();
seen.unique = unique;
const made = await client.crm.properties.coreApi.create("contacts", {
  name: "shop_id", label: "Shop id", type: "string", fieldType: "text", groupName: "contactinformation",
  hasUniqueValue: true,
});
seen.made = [made.name, made.hasUniqueValue];

const company = await client.crm.companies.basicApi.create({ properties: { name: "Acme" }, associations: [] });
const pair = { _from: { id: first.results[0].id }, to: { id: company.id } };
const linked = await client.crm.associations.v4.batchApi.createDefault("contacts", "companies", { inputs: [pair] });
seen.linked = linked.results.map((r) => r.associationSpec.associationTypeId);
const v4 = client.crm.associations.v4;
const labelled = await v4.schema.definitionsApi.create("contacts", "companies", { label: "Payer", name: "payer" });
const payer = { associationCategory: labelled.results[0].category, associationTypeId: labelled.results[0].typeId };
await v4.batchApi.create("contacts", "companies", { inputs: [{ ...pair, types: [payer] }] });
const kinds = async () => {
  const page = await v4.batchApi.getPage("contacts", "companies", { inputs: [{ id: pair._from.id }] });
  return page.results.map((r) => r.to.map((t) => t.associationTypes.map((k) => k.label)));
};
seen.kinds = [await kinds()];
await v4.batchApi.archiveLabels("contacts", "companies", { inputs: [{ ...pair, types: [payer] }] });
seen.kinds.push(await kinds());
await v4.batchApi.archive("contacts", "companies", { inputs: [{ _from: pair._from, to: [pair.to] }] });
seen.kinds.push(await kinds());
const labels = await v4.schema.definitionsApi.getAll("contacts", "companies");
seen.labels = labels.results.map((r) => [r.category, r.typeId === payer.associationTypeId || r.typeId, r.label ?? null]);
const born = await contacts.batchApi.create({
  inputs: [{
    properties: { lastname: "Born" },
    associations: [{ to: { id: company.id }, types: [{ associationCategory: "HUBSPOT_DEFINED", associationTypeId: 1 }] }],
  }],
});
const bornWith = await v4.batchApi.getPage("contacts", "companies", { inputs: [{ id: born.results[0].id }] });
seen.born = bornWith.results[0].to.map((t) => [String(t.toObjectId) === company.id, t.associationTypes.map((k) => k.typeId)]);
const lists = client.crm.lists;
const vips = await lists.listsApi.create({ name: "VIPs", objectTypeId: "0-1", processingType: "MANUAL" });
const listId = vips.list.listId;
const members = lists.membershipsApi;
const [ann, bob] = first.results.map((r) => r.id).sort();
const joined = await members.add(listId, [ann, bob, "1"]);
const again = await members.add(listId, [ann]);
const changed = await members.addAndRemove(listId, { recordIdsToAdd: [], recordIdsToRemove: [bob] });
seen.members = [joined.recordsIdsAdded.length, joined.recordIdsMissing, again.recordsIdsAdded, changed.recordIdsRemoved.length];
const page = await members.getPage(listId);
seen.page = page.results.map((r) => r.recordId === ann);
const hits = await lists.listsApi.doSearch({ query: "vip", count: 10, offset: 0, listIds: [], processingTypes: [], additionalProperties: [] });
seen.hits = hits.lists.map((l) => [l.name, l.processingType, l.objectTypeId]);
const named = await lists.listsApi.getByName("VIPs", "0-1");
seen.size = named.list.size;
const active = await lists.listsApi.create({ name: "Active", objectTypeId: "0-1", processingType: "DYNAMIC" });
try {
  await members.add(active.list.listId, [ann]);
} catch (error) {
  seen.dynamic = error.code;
}
const defined = await client.apiRequest({
  method: "POST",
  path: "/events/v3/event-definitions",
  body: { name: "order_paid", label: "Order paid", primaryObject: "CONTACT",
    propertyDefinitions: [{ name: "amount", label: "Amount", type: "number" }] },
});
const eventName = (await defined.json()).fullyQualifiedName;
const occurrence = (uuid, more) => ({ eventName, email: "a@x.io", properties: { amount: "12.50" }, uuid, ...more });
await client.events.send.basicApi.send(occurrence("u-1"));
await client.events.send.batchApi.send({ inputs: [occurrence("u-1"), occurrence("u-2", { occurredAt: new Date(0) })] });
try {
  await client.events.send.batchApi.send({ inputs: [occurrence("u-3"), occurrence("u-4", { properties: { size: "1" } })] });
} catch (error) {
  seen.event = [error.code, error.body.errors[0].code];
}
const details = await client.apiRequest({ method: "GET", path: "/account-info/v3/details" });
seen.portal = typeof (await details.json()).portalId;
console.log(JSON.stringify(seen));
