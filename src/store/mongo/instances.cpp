#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "store/mongo/shared.hpp"
#include "telemetry/telemetry.hpp"

/// What instances tell each other, so that readers of the tail know how far it is complete (invariant 16).
namespace pebbles::store::mongo {
namespace {

using std::chrono::milliseconds;

Bson row_filter(std::int64_t instance) {
  Bson out;
  out.integer("_id", instance);
  return out;
}

}  // namespace

std::optional<ServerTime> time_in(const bson_t* document, std::string_view wanted) {
  std::optional<ServerTime> out;
  each_member(document, [&](std::string_view name, const bson_iter_t& member) {
    if (name != wanted || !BSON_ITER_HOLDS_TIMESTAMP(&member)) return;
    std::uint32_t seconds = 0, increment = 0;
    bson_iter_timestamp(&member, &seconds, &increment);
    out = ServerTime{seconds} << 32U | increment;
  });
  return out;
}

/// The one way that every topology knows: a write of the clock into a row of ours, which is read back.
Result<ServerTime> Shared::server_time(const Lease& lease) {
  Bson type, clock, update, command;
  type.text("$type", "timestamp");
  clock.document("now", type);
  update.document("$currentDate", clock);
  command.text("findAndModify", instances_name).document("query", row_filter(instance_)).document("update", update);
  command.boolean("upsert", true).boolean("new", true);
  PEBBLES_TRY(reply, run(lease.get(), database_, command));
  std::optional<ServerTime> out;
  each_member(reply.get(), [&](std::string_view name, const bson_iter_t& member) {
    if (name != "value" || !BSON_ITER_HOLDS_DOCUMENT(&member)) return;
    std::uint32_t size = 0;
    const std::uint8_t* bytes = nullptr;
    bson_iter_document(&member, &size, &bytes);
    bson_t row;
    if (bson_init_static(&row, bytes, size)) out = time_in(&row, "now");
  });
  if (!out) return failure(Errc::store_unavailable, "MongoDB: the clock could not be read");
  open_commits.passed(*out);
  open_snapshots.passed(*out);
  return *out;
}

Result<void> Shared::beat(const Lease& lease) {
  const std::lock_guard beating{beating_};  // an older list of sessions must not replace a newer one
  const auto sent = std::chrono::system_clock::now();
  PEBBLES_TRY(now, server_time(lease));
  // A timestamp has whole seconds: half of one is what it is off by on average.
  const auto difference = std::chrono::duration_cast<milliseconds>(sent.time_since_epoch()) -
                          (milliseconds{(now >> 32U) * 1000} + milliseconds{500});
  clock_difference_ = difference;
  BsonArray sessions;
  {
    const std::lock_guard lock{sessions_mutex_};
    for (const auto& [session, id] : sessions_)
      sessions.add([&](Bson& array, std::string_view key) { array.document(key, id); });
  }
  Bson members, change;
  append_time(members, "open", open_commits.horizon(now));
  append_time(members, "behind", open_snapshots.horizon(now));
  members.array("sessions", sessions.get());
  change.document("$set", members);
  const auto rows = collection(lease, instances_name);
  bson_error_t error;
  if (!mongoc_collection_update_one(rows.get(), row_filter(instance_).get(), change.get(), nullptr, nullptr, &error))
    return std::unexpected{Fault::of(error, nullptr).to_error()};
  return {};
}

void Shared::leave(const Lease& lease) {
  if (!is_prepared() || open_snapshots.any()) return;
  const auto rows = collection(lease, instances_name);
  bson_error_t error;
  mongoc_collection_delete_one(rows.get(), row_filter(instance_).get(), nullptr, nullptr, &error);  // else: given up
}

Result<ServerTime> Shared::horizon(const Lease& lease) {
  PEBBLES_TRY(out, horizons(lease));
  return out.open;
}

Result<Shared::Settled> Shared::settled(const Lease& lease) {
  PEBBLES_TRY(out, horizons(lease));
  return Settled{.now = out.now, .settled = std::min(out.open, out.behind)};
}

Result<Shared::Horizons> Shared::horizons(const Lease& lease) {
  // The clock first: what begins behind it is none of this call's business.
  PEBBLES_TRY(now, server_time(lease));
  Horizons out{.now = now, .open = open_commits.horizon(now), .behind = open_snapshots.horizon(now)};
  const auto rows = collection(lease, instances_name);
  Bson others, filter;
  others.integer("$ne", instance_);
  filter.document("_id", others);
  std::vector<Bson> silent;
  PEBBLES_TRY_VOID(find(rows.get(), filter, Bson{}, [&](const bson_t* row) {
    const auto said = time_in(row, "now");
    const auto open = time_in(row, "open");
    const auto behind = time_in(row, "behind");
    if (!said || (*said >> 32U) + silence_max.count() < (now >> 32U))
      silent.emplace_back(row);
    else
      out = {
          .now = now, .open = std::min(out.open, open.value_or(0)), .behind = std::min(out.behind, behind.value_or(0))};
    return true;
  }));
  for (const auto& row : silent) PEBBLES_TRY_VOID(give_up(lease, row.get()));
  return out;
}

Result<ServerTime> Shared::horizon_beyond(const Lease& lease, ServerTime time) {
  if (const auto last = last_horizon_.load(); last >= time) return last;
  const auto begun = horizons_begun_.load();
  const std::lock_guard asking{asking_horizon_};
  if (last_horizon_.load() >= time || horizon_number_ > begun) return last_horizon_.load();
  const auto number = ++horizons_begun_;
  PEBBLES_TRY(now, horizon(lease));
  horizon_number_ = number;
  last_horizon_ = std::max(last_horizon_.load(), now);
  return last_horizon_.load();
}

Result<void> Shared::give_up(const Lease& lease, const bson_t* row) {
  Bson filter;
  BsonArray sessions;
  each_member(row, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "_id" && BSON_ITER_HOLDS_INT64(&member)) filter.integer("_id", bson_iter_int64(&member));
    if (name == "sessions")
      each_member(member, [&](std::string_view, const bson_iter_t& id) {
        std::uint32_t size = 0;
        const std::uint8_t* bytes = nullptr;
        if (!BSON_ITER_HOLDS_DOCUMENT(&id)) return;
        bson_iter_document(&id, &size, &bytes);
        bson_t lsid;
        if (!bson_init_static(&lsid, bytes, size)) return;
        const Bson copy{&lsid};
        sessions.add([&](Bson& array, std::string_view key) { array.document(key, copy); });
      });
  });
  if (!sessions.empty()) {
    Bson command;
    command.array("killSessions", sessions.get());
    PEBBLES_TRY_VOID(run(lease.get(), database_, command));
  }
  if (const auto behind = time_in(row, "behind")) PEBBLES_TRY_VOID(sweep(*this, lease, *behind));
  // Only as it was read: an instance that speaks again meanwhile has a row with another time.
  if (const auto said = time_in(row, "now")) append_time(filter, "now", *said);
  const auto rows = collection(lease, instances_name);
  bson_error_t error;
  if (!mongoc_collection_delete_one(rows.get(), filter.get(), nullptr, nullptr, &error))
    return std::unexpected{Fault::of(error, nullptr).to_error()};
  telemetry::instance_given_up();
  return {};
}

void Shared::enter_session(const mongoc_client_session_t* session) {
  const std::lock_guard lock{sessions_mutex_};
  sessions_.emplace(session, Bson{mongoc_client_session_get_lsid(session)});
}

void Shared::leave_session(const mongoc_client_session_t* session) {
  const std::lock_guard lock{sessions_mutex_};
  sessions_.erase(session);
}

}  // namespace pebbles::store::mongo
