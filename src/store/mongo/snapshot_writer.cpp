#include "store/mongo/snapshot_writer.hpp"

#include <pthread.h>

#include <algorithm>
#include <system_error>
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

/// Puts what hides a life that is over where its document stands, or may still come to stand: some other instance may
/// write late what it was.
void put_remains(Writes& writes, const domain::FileId& ended, const Snapshot& next) {
  Bson filter, less, none, by_version, without;
  filter.object_id("_id", ended);
  filter.text("clientKrn", *next.stream.client).text("filename", *next.stream.filename);
  less.integer("$lt", version_of_remains(next));
  by_version.document("version", less);
  none.boolean("$exists", false);
  without.document("version", none);
  filter.array("$or", both_in_array(by_version, without).get());
  writes.replace(filter, remains_document(ended, next), true);
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
  if (!state.progress.exists()) return writes.replace(filter, snapshot_document(state), true);
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

StepsOutcome write_steps(mongoc_collection_t* progress, const std::vector<SnapshotStep>& steps) {
  if (steps.empty()) return StepsOutcome::written;
  Writes writes{progress, nullptr};
  // What a life leaves behind goes first: the next one may have its owner. And one run of inserts is one command.
  std::vector<const Snapshot*> born;
  for (const auto& [base, next, whole, ended] : steps) {
    for (const auto& id : ended) put_remains(writes, id, *next);
    if (whole) {
      put_forward(writes, *next);
    } else if (base == nullptr || base->progress.id != next->progress.id) {
      born.push_back(next.get());
    } else if (!next->progress.exists()) {
      writes.replace(filter_of_same(*base), snapshot_document(*next));
    } else if (base->progress.is_before_log()) {
      writes.update(filter_of_same(*base), snapshot_update(*next));
    } else {
      writes.update(filter_of_same(*base), snapshot_update(*base, *next));
    }
  }
  for (const auto* const snapshot : born) {
    const bool taken = writes.insert(snapshot_document(*snapshot));
    PEBBLES_ASSERT(taken, "a snapshot is small");
  }
  BulkReply done;
  const auto fault = writes.execute(done);
  if (!is_done(fault, done)) return StepsOutcome::failed;
  const bool met_others = std::cmp_not_equal(done.inserted + done.matched + done.upserted, writes.size());
  return met_others ? StepsOutcome::met_others : StepsOutcome::written;
}

bool is_over(const auto& round) {
  return round.valid() && round.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
}

std::size_t bytes_of(const SnapshotPtr& state) { return state ? store::bytes_of(*state) : 0; }

}  // namespace

SnapshotWriter::Followed& SnapshotWriter::saw(const StreamId& stream, const Seen& place, Time now) {
  auto& known = streams_[stream];
  known.place = place;
  known.seen = now;
  return known;
}

bool SnapshotWriter::is_current(const Append& append, Time now) const {
  const auto known = streams_.find(append.after->stream);
  return known != streams_.end() && now < known->second.seen + known_for &&
         known->second.place.version == append.expected() && known->second.place.head == append.chunk.prev &&
         known->second.place.rev == append.before->rev;
}

void SnapshotWriter::forget(const StreamId& stream) {
  if (const auto known = streams_.find(stream); known != streams_.end()) known->second.seen = {};
}

void SnapshotWriter::stored(const SnapshotPtr& before, const SnapshotPtr& after, bool of_few, Time now) {
  const auto& stream = after->stream;
  auto& known = saw(stream, {.version = after->progress.version, .head = after->head, .rev = after->rev}, now);
  for (const auto& state : {before, known.base, known.newest, known.flying}) {
    const bool is_over = state && state->progress.exists() && state->progress.id != after->progress.id;
    if (is_over && std::ranges::find(known.ended, state->progress.id) == known.ended.end())
      known.ended.push_back(state->progress.id);
  }
  if (!known.newest) {
    bytes_ -= bytes_of(known.base);
    bytes_ += bytes_of(before);
    known.base = before;
    ++waiting_;
    const bool is_new = before == nullptr || before->progress.is_before_log() || !before->progress.exists();
    if (is_new || of_few) mark_at_once(stream, known);
  } else if (known.newest != known.flying) {
    bytes_ -= bytes_of(known.newest);
  }
  bytes_ += bytes_of(after);
  known.newest = after;
  if (after->progress.completed || !after->progress.exists()) mark_at_once(stream, known);
}

void SnapshotWriter::mark_at_once(const StreamId& stream, Followed& known) {
  if (!known.at_once) at_once_.push_back(stream);
  known.at_once = true;
}

bool SnapshotWriter::write(Which which, mongoc_collection_t* progress, mongoc_collection_t* events, Time now) {
  const bool is_full = bytes_ > bytes_max;
  if (round_.valid() && (is_full || which == Which::all || is_over(round_)) && !end_round(progress, events))
    return false;
  if (which == Which::at_once) return write_now(std::exchange(at_once_, {}), progress, events);
  const bool all = which == Which::all || is_full;
  const bool done = !all || write_now(take_all(), progress, events);
  if (round_.valid()) return done;  // it knows its streams by name
  if (now >= next_purge_ || is_full) purge(now);
  return all || now < next_round_ ? done : begin_round(now);
}

SnapshotWriter::Streams SnapshotWriter::take_all() {
  Streams out;
  out.reserve(waiting_);
  if (waiting_ > 0)
    for (const auto& [stream, known] : streams_)
      if (known.newest) out.push_back(stream);
  at_once_.clear();
  return out;
}

std::vector<SnapshotStep> SnapshotWriter::steps_of(const Streams& streams) {
  std::vector<SnapshotStep> out;
  out.reserve(streams.size());
  for (const auto& stream : streams) {
    auto& known = streams_.at(stream);
    known.at_once = false;
    if (!known.newest) continue;
    if (known.flying && known.flying != known.newest) bytes_ -= bytes_of(known.flying);
    known.flying = known.newest;
    known.ended_flying = known.ended.size();
    out.push_back(
        {.base = known.base, .next = known.newest, .whole = std::exchange(known.whole, false), .ended = known.ended});
  }
  return out;
}

bool SnapshotWriter::begin_round(Time now) {
  next_round_ = now + round;
  in_round_ = take_all();
  if (in_round_.empty()) return true;
  const auto work = [shared = shared_, steps = steps_of(in_round_), now] {
    pthread_setname_np(pthread_self(), "mongo-snapshots");
    Round out{.outcome = StepsOutcome::failed};
    if (const auto lease = shared->lease())
      out.outcome = write_steps(shared->collection(lease, progress_name).get(), steps);
    constexpr int share = 4;
    const auto took = std::chrono::steady_clock::now() - now;
    out.next = now + std::clamp<Time::duration>(share * took, round, round_max);
    return out;
  };
  try {
    round_ = std::async(std::launch::async, work);
  } catch (const std::system_error&) {  // no thread is to be had
    return fail(std::exchange(in_round_, {}));
  }
  ++rounds_begun_;
  return true;
}

bool SnapshotWriter::end_round(mongoc_collection_t* progress, mongoc_collection_t* events) {
  const auto [outcome, next] = round_.get();
  next_round_ = next;
  const bool done = conclude(outcome, std::exchange(in_round_, {}), progress, events);
  if (done) round_written_ = rounds_begun_;
  return done;
}

bool SnapshotWriter::write_now(const Streams& streams, mongoc_collection_t* progress, mongoc_collection_t* events) {
  return conclude(write_steps(progress, steps_of(streams)), streams, progress, events);
}

bool SnapshotWriter::conclude(StepsOutcome outcome, const Streams& streams, mongoc_collection_t* progress,
                              mongoc_collection_t* events) {
  const bool done = outcome == StepsOutcome::written ||
                    (outcome == StepsOutcome::met_others && write_onto(streams, progress, events));
  if (!done) return fail(streams);
  for (const auto& stream : streams) {
    auto& known = streams_.at(stream);
    if (!known.flying) continue;
    bytes_ -= bytes_of(known.base);
    known.base = std::exchange(known.flying, nullptr);
    known.ended.erase(known.ended.begin(), known.ended.begin() + static_cast<std::ptrdiff_t>(known.ended_flying));
    known.ended_flying = 0;
    if (known.newest != known.base) continue;  // more has come meanwhile
    known.newest = nullptr;
    --waiting_;
  }
  return true;
}

/// What stands in the database now is not known.
bool SnapshotWriter::fail(const Streams& streams) {
  for (const auto& stream : streams) {
    auto& known = streams_.at(stream);
    if (!known.flying) continue;
    const auto flying = std::exchange(known.flying, nullptr);
    known.ended_flying = 0;
    if (flying != known.newest) bytes_ -= bytes_of(flying);
    known.whole = true;
  }
  return false;
}

/// For those of which something else stands in the database than was thought.
bool SnapshotWriter::write_onto(const Streams& streams, mongoc_collection_t* progress, mongoc_collection_t* events) {
  const auto places = find_places(progress, streams);
  if (!places) return false;
  Writes writes{progress, nullptr};
  for (const auto& stream : streams) {
    auto& known = streams_.at(stream);
    if (!known.flying) continue;
    const auto found = places->find(stream);
    if (found == places->end() || found->second.rev != known.flying->rev) {
      // It was derived again, or deleted since, and even that document is gone. The lane's next append may be to a
      // state that no longer holds, and must learn it.
      known.seen = {};
      if (!catch_up(progress, events, stream)) return false;
    } else if (const auto& place = found->second; place.version < known.flying->progress.version) {
      if (place.id != known.flying->progress.id && !place.is_deleted) put_remains(writes, place.id, *known.flying);
      put_forward(writes, *known.flying);
    }
  }
  if (writes.empty()) return true;
  BulkReply done;
  const auto fault = writes.execute(done);
  return is_done(fault, done);
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
  const auto life = state && state->progress.exists() ? std::optional{state->progress.id} : std::nullopt;
  PEBBLES_TRY_VOID(read_on(events, stream, state));
  if (!state || state->progress.version <= stood_at) return {};
  // Of a deleted file whose log is cut there is no document any more.
  if (!state->progress.exists() && stood_at == 0) {
    PEBBLES_TRY(cut, find_cut(events, stream));
    if (cut && cut->version == state->progress.version) return {};
  }
  Writes writes{progress, nullptr};
  if (life && *life != state->progress.id) put_remains(writes, *life, *state);
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
