#include "store/mongo/bulk.hpp"

#include "base/assert.hpp"

namespace pebbles::store::mongo {
namespace {

BulkReply read_reply(const bson_t* reply) {
  BulkReply out;
  each_member(reply, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "nInserted") out.inserted = bson_iter_as_int64(&member);
    if (name == "nMatched") out.matched = bson_iter_as_int64(&member);
    if (name == "nRemoved") out.removed = bson_iter_as_int64(&member);
    if (name == "nUpserted") out.upserted = bson_iter_as_int64(&member);
    if (name == "writeConcernErrors") each_member(member, [&](auto, auto) { out.may_roll_back = true; });
    if (name != "writeErrors") return;
    each_member(member, [&](std::string_view, const bson_iter_t& entry) {
      std::size_t index = 0;
      std::int32_t code = 0;
      each_member(entry, [&](std::string_view field, const bson_iter_t& value) {
        if (field == "index") index = static_cast<std::size_t>(bson_iter_as_int64(&value));
        if (field == "code") code = static_cast<std::int32_t>(bson_iter_as_int64(&value));
      });
      out.errors.emplace_back(index, code);
    });
  });
  return out;
}

}  // namespace

Writes::Writes(mongoc_collection_t* collection, mongoc_client_session_t* session) {
  Bson options;
  options.boolean("ordered", false);
  if (session != nullptr) {
    bson_error_t error;
    const bool appended = mongoc_client_session_append(session, options.get(), &error);
    PEBBLES_ASSERT(appended, "the session is of this client");
  }
  bulk_.reset(mongoc_collection_create_bulk_operation_with_opts(collection, options.get()));
}

bool Writes::insert(const Bson& document) {
  Bson options;
  options.boolean("validate", false);  // byte by byte: its texts are known to be good
  bson_error_t error;
  ++count_;
  return mongoc_bulk_operation_insert_with_opts(bulk_.get(), document.get(), options.get(), &error);
}

namespace {

/// Half a dozen indexes begin with the names in the filter: without the hint each statement would be planned.
Bson options_of_change(bool upsert) {
  Bson by_id, out;
  by_id.small("_id", 1);
  out.document("hint", by_id);
  if (upsert) out.boolean("upsert", true);
  return out;
}

}  // namespace

void Writes::replace(const Bson& filter, const Bson& document, bool upsert) {
  const auto options = options_of_change(upsert);
  bson_error_t error;
  ++count_;
  const bool taken =
      mongoc_bulk_operation_replace_one_with_opts(bulk_.get(), filter.get(), document.get(), options.get(), &error);
  PEBBLES_ASSERT(taken, "a replacement of ours is well-formed");
}

void Writes::remove(const Bson& filter) {
  const auto options = options_of_change(false);
  bson_error_t error;
  ++count_;
  const bool taken = mongoc_bulk_operation_remove_one_with_opts(bulk_.get(), filter.get(), options.get(), &error);
  PEBBLES_ASSERT(taken, "a removal of ours is well-formed");
}

void Writes::update(const Bson& filter, const Bson& change, bool upsert) {
  const auto options = options_of_change(upsert);
  bson_error_t error;
  ++count_;
  const bool taken =
      mongoc_bulk_operation_update_one_with_opts(bulk_.get(), filter.get(), change.get(), options.get(), &error);
  PEBBLES_ASSERT(taken, "an update of ours is well-formed");
}

std::optional<Fault> Writes::execute(BulkReply& done) {
  bson_t reply;
  bson_error_t error;
  const auto good = mongoc_bulk_operation_execute(bulk_.get(), &reply, &error) != 0;
  done = read_reply(&reply);
  std::optional<Fault> out;
  if (!good) out = Fault::of(error, &reply);
  bson_destroy(&reply);
  return out;
}

}  // namespace pebbles::store::mongo
