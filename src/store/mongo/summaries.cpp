#include "store/mongo/summaries.hpp"

#include "base/assert.hpp"

namespace pebbles::store::mongo {
namespace {

/// The times of updates are the clocks' of several machines, and a snapshot follows its log a little later.
constexpr std::chrono::minutes old_after{2};
/// What is remembered may miss a snapshot that came later than `old_after`: for so long.
constexpr std::chrono::minutes remembered_for{2};
constexpr std::size_t remembered_max = 1000;

constexpr std::string_view clients_name = "pebbles_clients";

Bson from_json(const char* text) {
  bson_t document;
  bson_error_t error;
  PEBBLES_ASSERT(bson_init_from_json(&document, text, -1, &error), "the text is ours");
  Bson out{&document};
  bson_destroy(&document);
  return out;
}

Bson client_id(const domain::ClientKrn& client) {
  Bson out;
  out.text("_id", *client);
  return out;
}

Result<std::int64_t> disturbances_of(Shared& shared, const Lease& lease, const domain::ClientKrn& client) {
  const auto clients = shared.collection(lease, clients_name);
  std::int64_t out = 0;
  PEBBLES_TRY_VOID(find(clients.get(), client_id(client), Bson{}, [&](const bson_t* row) {
    each_member(row, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "disturbances") out = bson_iter_as_int64(&member);
    });
    return true;
  }));
  return out;
}

}  // namespace

const Bson& state_expression() {
  static const Bson out = from_json(R"({"$add": [
    {"$cond": [{"$eq": ["$isCompleted", true]}, 1, 0]},
    {"$cond": [{"$or": [{"$gt": ["$errorCount", 0]}, {"$gt": ["$counts.failed", 0]},
                        {"$gt": [{"$size": {"$cond": [{"$isArray": "$errors"}, "$errors", []]}}, 0]}]}, 2, 0]},
    {"$cond": [{"$or": [{"$gt": ["$warningCount", 0]}, {"$gt": ["$counts.warn", 0]},
                        {"$gt": [{"$size": {"$cond": [{"$isArray": "$warnings"}, "$warnings", []]}}, 0]}]}, 4, 0]}
  ]})");
  return out;
}

Result<void> note_disturbance(Shared& shared, const Lease& lease, const domain::ClientKrn& client) {
  const auto clients = shared.collection(lease, clients_name);
  Bson one, change, upsert;
  one.integer("disturbances", 1);
  change.document("$inc", one);
  upsert.boolean("upsert", true);
  bson_error_t error;
  if (!mongoc_collection_update_one(clients.get(), client_id(client).get(), change.get(), upsert.get(), nullptr,
                                    &error))
    return std::unexpected{Fault::of(error, nullptr).to_error()};
  return {};
}

Result<std::int64_t> Summaries::count(const Lease& lease, const domain::ClientKrn& client, int state,
                                      const Bson& updated) const {
  Bson filter, index, concern, command;
  filter.text("clientKrn", *client).small("state", state);
  if (!bson_empty(updated.get())) filter.document("updatedAt", updated);
  index.small("clientKrn", 1).small("state", 1).small("updatedAt", 1);
  concern.text("level", shared_->options().weak_writes ? "local" : "majority");
  command.text("count", progress_name).document("query", filter).document("hint", index);
  command.document("readConcern", concern);
  PEBBLES_TRY(reply, shared_->run_in_database(lease, command));
  std::int64_t out = 0;
  each_member(reply.get(), [&](std::string_view name, const bson_iter_t& member) {
    if (name == "n") out = bson_iter_as_int64(&member);
  });
  return out;
}

Result<Summaries::Old> Summaries::old_files(const Lease& lease, const domain::ClientKrn& client) {
  // Before the files: a disturbance meanwhile has to be noticed the next time.
  PEBBLES_TRY(disturbances, disturbances_of(*shared_, lease, client));
  const auto now = Clock::now();
  {
    const std::lock_guard lock{mutex_};
    const auto known = old_.find(*client);
    if (known != old_.end() && known->second.disturbances == disturbances &&
        now < known->second.counted + remembered_for)
      return known->second;
  }
  const auto wall = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  Old out{.before = wall - old_after, .counted = now, .disturbances = disturbances};
  Bson earlier;
  earlier.time("$lt", out.before);
  for (int state = 0; state < states; ++state) {
    if ((state & state_completed) == 0) continue;
    PEBBLES_TRY(files, count(lease, client, state, earlier));
    out.files.at(static_cast<std::size_t>(state)) = files;
  }
  const std::lock_guard lock{mutex_};
  if (old_.size() >= remembered_max)
    std::erase_if(old_, [&](const auto& entry) { return now >= entry.second.counted + remembered_for; });
  if (old_.size() < remembered_max || old_.contains(*client)) old_[*client] = out;
  return out;
}

Result<ClientSummary> Summaries::summary(const Lease& lease, const domain::ClientKrn& client,
                                         Timestamp stalled_before) {
  PEBBLES_TRY(old, old_files(lease, client));
  ClientSummary out;
  Bson lately, long_ago, ever;
  lately.time("$gte", old.before);
  long_ago.time("$lt", stalled_before);
  for (int state = 0; state < states; ++state) {
    const bool completed = (state & state_completed) != 0;
    PEBBLES_TRY(files, count(lease, client, state, completed ? lately : ever));
    count_files(out, state, files + old.files.at(static_cast<std::size_t>(state)));
    if (completed || files == 0) continue;
    PEBBLES_TRY(stalled, count(lease, client, state, long_ago));
    out.stalled += stalled;
  }
  PEBBLES_TRY_VOID(count_stateless(lease, client, stalled_before, out));
  return out;
}

/// Documents that no version with states has written, until the background has given them theirs.
Result<void> Summaries::count_stateless(const Lease& lease, const domain::ClientKrn& client, Timestamp stalled_before,
                                        ClientSummary& out) const {
  Bson filter, match, before, group_by, one, grouped, group, index, options;
  filter.text("clientKrn", *client).null("state");
  match.document("$match", filter);
  BsonArray earlier;
  earlier.add([](Bson& array, std::string_view key) { array.text(key, "$updatedAt"); });
  earlier.add([&](Bson& array, std::string_view key) { array.time(key, stalled_before); });
  before.array("$lt", earlier.get());
  group_by.document("state", state_expression()).document("old", before);
  one.small("$sum", 1);
  grouped.document("_id", group_by).document("n", one);
  group.document("$group", grouped);
  index.small("clientKrn", 1).small("state", 1).small("updatedAt", 1);
  options.document("hint", index);
  const auto progress = shared_->collection(lease, progress_name);
  const Cursor cursor{mongoc_collection_aggregate(progress.get(), MONGOC_QUERY_NONE,
                                                  both_in_array(match, group).get().get(), options.get(), nullptr)};
  const bson_t* row = nullptr;
  while (mongoc_cursor_next(cursor.get(), &row)) {
    int state = 0;
    bool old = false;
    std::int64_t files = 0;
    each_member(row, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "n") files = bson_iter_as_int64(&member);
      each_member(member, [&](std::string_view part, const bson_iter_t& value) {
        if (part == "state") state = static_cast<int>(bson_iter_as_int64(&value));
        if (part == "old") old = bson_iter_as_bool(&value);
      });
    });
    count_files(out, state, files);
    if (old && (state & state_completed) == 0) out.stalled += files;
  }
  bson_error_t error;
  if (mongoc_cursor_error(cursor.get(), &error)) return std::unexpected{Fault::of(error, nullptr).to_error()};
  return {};
}

}  // namespace pebbles::store::mongo
