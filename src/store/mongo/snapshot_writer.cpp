#include "store/mongo/snapshot_writer.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "store/mongo/bulk.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

Bson filter_of(const Snapshot& state) {
  Bson out;
  out.object_id("_id", state.progress.id);
  out.text("clientKrn", *state.stream.client).text("filename", *state.stream.filename);
  return out;
}

/// The document that stands exactly there.
Bson filter_of_same(const Snapshot& base) {
  auto out = filter_of(base);
  if (base.progress.is_before_log()) {
    Bson none;
    none.boolean("$exists", false);
    out.document("version", none);
  } else {
    out.integer("version", base.progress.version).integer("rev", base.rev);
  }
  return out;
}

/// Puts a state where an older one of its rev stands, or none.
void put_forward(Writes& writes, const Snapshot& state) {
  auto filter = filter_of(state);
  Bson less, none, by_version, without, owner;
  less.integer("$lt", state.progress.version);
  by_version.document("version", less).integer("rev", state.rev);
  none.boolean("$exists", false);
  without.document("version", none);
  filter.array("$or", both_in_array(by_version, without).get());
  auto change = snapshot_update(state);
  owner.text("email", *state.progress.owner);
  change.document("$setOnInsert", owner);
  writes.update(filter, change, true);
}

/// Done, but for what met something else: a newer snapshot stands there, say, where an upsert meets an `_id`.
bool is_done(const std::optional<Fault>& fault, const BulkReply& done) {
  if (!fault) return true;
  if (fault->network || fault->not_sent || done.may_roll_back || done.errors.empty()) return false;
  return std::ranges::all_of(done.errors, [](const auto& error) { return error.second == duplicate_key; });
}

std::size_t bytes_of(const SnapshotPtr& state) { return state ? store::bytes_of(*state) : 0; }

}  // namespace

SnapshotWriter::Followed& SnapshotWriter::saw(const StreamId& stream, Version version, std::int64_t rev, Time now) {
  auto& known = streams_[stream];
  known.version = version;
  known.rev = rev;
  known.seen = now;
  return known;
}

bool SnapshotWriter::is_current(const Append& append, Time now) const {
  const auto known = streams_.find(append.after->stream);
  return known != streams_.end() && now < known->second.seen + known_for &&
         known->second.version == append.expected() && known->second.rev == append.before->rev;
}

void SnapshotWriter::forget(const StreamId& stream) {
  if (const auto known = streams_.find(stream); known != streams_.end()) known->second.seen = {};
}

void SnapshotWriter::stored(const SnapshotPtr& before, const SnapshotPtr& after, bool of_few, Time now) {
  const auto& stream = after->stream;
  auto& known = saw(stream, after->progress.version, after->rev, now);
  if (known.newest) {
    bytes_ -= bytes_of(known.newest);
  } else {
    bytes_ -= bytes_of(known.base);
    bytes_ += bytes_of(before);
    known.base = before;
    ++waiting_;
    const bool is_new = before == nullptr || before->progress.is_before_log();
    if (is_new || now >= known.written + round || of_few) mark_at_once(stream, known);
  }
  bytes_ += bytes_of(after);
  known.newest = after;
  if (after->progress.completed) mark_at_once(stream, known);
}

void SnapshotWriter::mark_at_once(const StreamId& stream, Followed& known) {
  if (!known.at_once) at_once_.push_back(stream);
  known.at_once = true;
}

bool SnapshotWriter::write(Which which, mongoc_collection_t* progress, mongoc_collection_t* events, Time now) {
  if (which == Which::due && bytes_ <= bytes_max && now < next_round_) return true;
  std::vector<StreamId> streams;
  if (which == Which::at_once) {
    streams.swap(at_once_);
  } else {
    next_round_ = now + round;
    if (waiting_ > 0)
      for (const auto& [stream, known] : streams_)
        if (known.newest) streams.push_back(stream);
    at_once_.clear();
  }
  const bool done = streams.empty() || write(streams, progress, events, now);
  if (which != Which::at_once && (now >= next_purge_ || bytes_ > bytes_max)) purge(now);
  return done;
}

bool SnapshotWriter::write(const std::vector<StreamId>& streams, mongoc_collection_t* progress,
                           mongoc_collection_t* events, Time now) {
  Writes writes{progress, nullptr};
  std::int64_t wanted = 0;
  for (const auto& stream : streams) {
    auto& known = streams_.at(stream);
    known.at_once = false;
    if (!known.newest) continue;
    ++wanted;
    if (known.whole) {
      put_forward(writes, *known.newest);
    } else if (known.base == nullptr) {
      const bool taken = writes.insert(snapshot_document(*known.newest));
      PEBBLES_ASSERT(taken, "a snapshot is small");
    } else if (known.base->progress.is_before_log()) {
      writes.update(filter_of_same(*known.base), snapshot_update(*known.newest));
    } else {
      writes.update(filter_of_same(*known.base), snapshot_update(*known.base, *known.newest));
    }
  }
  if (writes.empty()) return true;
  BulkReply done;
  const auto fault = writes.execute(done);
  if (!is_done(fault, done)) return false;
  if (done.inserted + done.matched != wanted && !write_onto(streams, progress, events)) return false;
  for (const auto& stream : streams) written(stream, now);
  return true;
}

/// For those of which something else stands in the database than was thought.
bool SnapshotWriter::write_onto(const std::vector<StreamId>& streams, mongoc_collection_t* progress,
                                mongoc_collection_t* events) {
  const auto places = find_places(progress, streams);
  if (!places) return false;
  Writes writes{progress, nullptr};
  for (const auto& stream : streams) {
    auto& known = streams_.at(stream);
    if (!known.newest) continue;
    const auto found = places->find(stream);
    const Place place = found == places->end() ? Place{.rev = known.newest->rev} : found->second;
    if (place.rev != known.newest->rev) {
      // It was derived again. The lane's next append is to a state that no longer holds, and must learn it.
      known.seen = {};
      if (!catch_up(progress, events, stream)) return false;
    } else if (place.version < known.newest->progress.version) {
      put_forward(writes, *known.newest);
    }
  }
  if (writes.empty()) return true;
  BulkReply done;
  const auto fault = writes.execute(done);
  return is_done(fault, done);
}

void SnapshotWriter::written(const StreamId& stream, Time now) {
  auto& known = streams_.at(stream);
  if (!known.newest) return;
  bytes_ -= bytes_of(known.base);
  known.base = std::move(known.newest);
  known.newest = nullptr;
  known.written = now;
  known.whole = false;
  --waiting_;
}

void SnapshotWriter::purge(Time now) {
  next_purge_ = now + known_for;
  const bool all = bytes_ > bytes_max / 2;
  std::erase_if(streams_, [&](const auto& entry) {
    const auto& known = entry.second;
    if (known.newest || (!all && now < known.seen + known_for)) return false;
    bytes_ -= bytes_of(known.base);
    return true;
  });
}

namespace {

Result<void> put_newest(mongoc_collection_t* progress, mongoc_collection_t* events, const StreamId& stream) {
  PEBBLES_TRY(found, find_snapshots(progress, std::span{&stream, 1}));
  auto state = found[stream];
  const Version stood_at = state ? state->progress.version : 0;
  PEBBLES_TRY_VOID(read_on(events, stream, state));
  if (!state || state->progress.version == stood_at) return {};
  Writes writes{progress, nullptr};
  put_forward(writes, *state);
  BulkReply done;
  const auto fault = writes.execute(done);
  if (is_done(fault, done)) return {};
  return std::unexpected{fault->to_error()};
}

}  // namespace

Result<void> catch_up(mongoc_collection_t* progress, mongoc_collection_t* events, const StreamId& stream) {
  const auto done = put_newest(progress, events, stream);
  if (done || done.error().code != Errc::store_corrupt) return done;
  telemetry::load_failed(*stream.client, *stream.filename, done.error().detail);
  return {};
}

}  // namespace pebbles::store::mongo
