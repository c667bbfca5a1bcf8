#include "store/pruner.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "store/log_format.hpp"
#include "store/maintenance.hpp"
#include "store/mongo/bulk.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/shared.hpp"
#include "telemetry/telemetry.hpp"

/// Takes old events out of the log (invariant 15). A log is cut in two moves: its first chunk is replaced in place by a
/// baseline, and a while later what that covers goes, but for the keys that must stay. Every write names what it
/// replaces, so any number of instances may prune, and whatever one leaves undone the next one finishes.
/// docs/log-format.md has the documents, ADR 18 the reasons.
namespace pebbles::store::mongo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// A step ends after so many documents, or after that time.
constexpr std::int64_t page_max = 100;
constexpr milliseconds step_max{50};
/// Chunks that one step folds into a baseline; behind it the next step goes on.
constexpr std::size_t folded_bytes_max = 16UL << 20U;
constexpr std::int64_t folded_chunks_max = 1000;

Timestamp seconds_of(ServerTime time) { return Timestamp{seconds{time >> 32U}}; }
ServerTime server_time_of(Timestamp time) {
  const auto count = std::chrono::floor<seconds>(time).time_since_epoch().count();
  return static_cast<ServerTime>(std::clamp<std::int64_t>(count, 0, std::numeric_limits<std::int32_t>::max())) << 32U;
}

Bson only_id(const StreamId& stream, Version first) {
  Bson out = stream_filter(stream);
  out.document("_id", chunk_id(stream, first));
  return out;
}

Bson by_id() {
  Bson index, out;
  index.small("_id", 1);
  out.document("hint", index);
  return out;
}

Bson change_of(const Bson& set, std::initializer_list<std::string_view> unset) {
  Bson gone, out;
  for (const auto name : unset) gone.text(name, "");
  if (!bson_empty(set.get())) out.document("$set", set);
  if (!bson_empty(gone.get())) out.document("$unset", gone);
  return out;
}

/// The first chunk of a log, with what pruning notes in it.
struct Beginning {
  StoredChunk stored;
  Version left = 0;  ///< chunks that the baseline covers have still to go, from this first version on; 0: none
  std::optional<Timestamp> keys_until;  ///< its own keys stay until then; absent: as long as the tombstone
  std::optional<Timestamp> deleted_at;  ///< it is what a deleted file left
  Version deleted_version = 0;
  ServerTime held_at = 0;  ///< a commit was about to begin a new life on it (writer.cpp)
  std::optional<Timestamp> due;

  /// Exactly this one.
  [[nodiscard]] Bson filter() const {
    auto out = only_id(stored.stream, stored.chunk.first);
    out.binary("hash", stored.chunk.hash);
    return out;
  }
};

Result<Beginning> read_beginning(const bson_t* document) {
  PEBBLES_TRY(stored, read_chunk(document));
  Beginning out;
  out.stored = std::move(stored);
  each_member(document, [&](std::string_view name, const bson_iter_t& member) {
    const auto date = [&] { return Timestamp{milliseconds{bson_iter_date_time(&member)}}; };
    if (BSON_ITER_HOLDS_DATE_TIME(&member)) {
      if (name == "keysUntil") out.keys_until = date();
      if (name == "deletedAt") out.deleted_at = date();
      if (name == "due") out.due = date();
    }
    if (name == "left") out.left = bson_iter_as_int64(&member);
    if (name == "deletedVersion") out.deleted_version = bson_iter_as_int64(&member);
    if (name == "heldAt" && BSON_ITER_HOLDS_TIMESTAMP(&member)) {
      std::uint32_t second = 0, increment = 0;
      bson_iter_timestamp(&member, &second, &increment);
      out.held_at = ServerTime{second} << 32U | increment;
    }
  });
  return out;
}

/// What stands in the place of all events up to `state`.
domain::ProgressEvent baseline_of(const Snapshot& state) {
  const auto& now = state.progress;
  return {.version = now.version,
          .id = now.id,
          .at = now.updated_at,
          .by = now.owner,
          .channel = domain::Channel::rest,
          .key = std::nullopt,
          .position = std::nullopt,
          .what = domain::Baseline{.state = std::make_shared<const domain::Progress>(now),
                                   .head = state.head.first,
                                   .head_hash = state.head.hash}};
}

void append_keys(Bson& out, const std::vector<KeptKey>& keys) {
  BsonArray hashes;
  for (const auto& key : keys) hashes.add([&](Bson& array, std::string_view name) { array.binary(name, key.hash); });
  out.array("keys", hashes.get()).binary("kept", pack_kept(keys));
}

/// Where the next step of a run goes on. A run begins at the beginning.
struct Cursors {
  std::map<std::pair<std::optional<domain::ClientKrn>, bool>, ServerTime> logs;  ///< of a client or all, dry or not
  std::map<bool, Timestamp> tombstones;
  std::map<bool, Timestamp> remains;
};

/// One step, with a client of its own.
class Step {
 public:
  Step(Shared& shared, const Lease& lease)
      : shared_{shared},
        lease_{lease},
        events_{shared.collection(lease, events_name)},
        progress_{shared.collection(lease, progress_name)} {}

  /// How far pruning may go at this moment.
  Result<void> begin() {
    PEBBLES_TRY(times, shared_.settled(lease_));
    settled_ = times.settled;
    now_ = seconds_of(times.now);
    old_ = std::min(settled_, server_time_of(now_ - waits().age + seconds{1}));
    end_ = steady_clock::now() + step_max;
    return {};
  }

  Result<Pruned> cut_logs(ServerTime& cursor, const Clients& clients, Timestamp before, bool dry_run) {
    Pruned out;
    if (!dry_run) PEBBLES_TRY_VOID(clear_due(out.more));
    old_ = std::min(old_, server_time_of(before));
    PEBBLES_TRY(page, old_chunks(cursor, clients));
    std::vector<StreamId> streams;
    for (const auto& stored : page)
      if (clients.hold(stored.stream.client)) streams.push_back(stored.stream);
    PEBBLES_TRY(places, find_places(progress_.get(), streams));
    PEBBLES_TRY(covered, versions_of_cuts(streams));
    std::set<StreamId> left_alone;
    for (const auto& stored : page) {
      const auto& stream = stored.stream;
      const auto place = places.find(stream);
      const auto end = stored.chunk.first + stored.events - 1;
      // Of a deleted file `bury` takes the log; where the snapshot is not as far, nothing is cut that it may need.
      if (place != places.end() && !place->second.is_deleted && end <= place->second.version &&
          covered.contains(stream) && stored.chunk.first > covered[stream] && !left_alone.contains(stream)) {
        if (dry_run) {
          out.logs += covered[stream] + 1 == stored.chunk.first ? 1 : 0;
          out.events += stored.events;
        } else if (is_over()) {
          out.more = true;
          return out;
        } else {
          PEBBLES_TRY(done, cut(stream, place->second.version));
          if (done.events > 0) ++out.logs;
          out.events += done.events;
          if (done.version >= end)
            covered[stream] = done.version;
          else
            left_alone.insert(stream);
        }
      }
      cursor = stored.at;
    }
    out.more = out.more || std::cmp_equal(page.size(), page_max);
    return out;
  }

  Result<Pruned> bury(Timestamp& tombstones, Timestamp& remains, Timestamp before, bool dry_run) {
    Pruned out;
    if (!dry_run) PEBBLES_TRY_VOID(clear_due(out.more));
    PEBBLES_TRY_VOID(bury_documents(tombstones, dry_run, out));
    PEBBLES_TRY_VOID(end_tombstones(remains, before, dry_run, out));
    return out;
  }

 private:
  [[nodiscard]] const PruneWaits& waits() const { return shared_.options().prune_waits; }
  [[nodiscard]] bool is_over() const { return steady_clock::now() >= end_; }

  /// A page of what was written between the cursor and `old_`, without the texts. Chunks of clients that are not meant
  /// are in it too: else a step could have to pass over any number of them.
  Result<std::vector<StoredChunk>> old_chunks(ServerTime cursor, const Clients& clients) {
    Bson range, filter, index, order, fields, options;
    append_time(range, "$gt", cursor);
    append_time(range, "$lt", old_);
    if (clients.only) filter.text("clientKrn", **clients.only);
    filter.document("at", range);
    order.small("at", 1);
    if (clients.only) {
      index.small("clientKrn", 1).small("at", 1).small("_id", 1);
      order.small("_id", 1);
    } else {
      index.small("at", 1);
    }
    for (const std::string_view name : {"_id", "format", "n", "at"}) fields.small(name, 1);
    options.document("sort", order).document("hint", index).document("projection", fields).integer("limit", page_max);
    std::vector<StoredChunk> out;
    PEBBLES_TRY_VOID(find(events_.get(), filter, options, [&](const bson_t* document) {
      if (auto stored = read_chunk(document)) out.push_back(*std::move(stored));
      return true;
    }));
    return out;
  }

  /// Of each stream that has a log the version of its baseline, 0 where there is none.
  Result<std::unordered_map<StreamId, Version>> versions_of_cuts(std::span<const StreamId> streams) {
    std::unordered_map<StreamId, Version> out;
    PEBBLES_TRY(cuts, find_cuts(events_.get(), streams));
    for (const auto& [stream, cut] : cuts) out.emplace(stream, cut ? cut->version : 0);
    return out;
  }

  Result<std::optional<Beginning>> find_beginning(const StreamId& stream) {
    std::optional<Beginning> out;
    std::optional<Error> bad;
    PEBBLES_TRY_VOID(find(events_.get(), only_id(stream, 1), by_id(), [&](const bson_t* document) {
      auto read = read_beginning(document);
      if (read)
        out = *std::move(read);
      else
        bad = read.error();
      return false;
    }));
    if (bad) return std::unexpected{*std::move(bad)};
    return out;
  }

  struct Cutting {
    Version version = 0;       ///< of the baseline that stands there now; 0: none
    std::int64_t events = 0;   ///< that it took the place of
    bool is_complete = false;  ///< no chunk is left that ends at or below the version wanted
  };

  /// Puts a baseline in the place of the chunks that are old enough and end at or below `up_to`, or of as many of them
  /// as a step can fold. Precondition: the stream's snapshot, if it needs one, is at `up_to` or beyond.
  Result<Cutting> cut(const StreamId& stream, Version up_to) {
    Cutting out;
    PEBBLES_TRY(found, find_beginning(stream));
    if (!found) return Cutting{.is_complete = true};
    auto& first = *found;
    out.version = first.stored.cut ? first.stored.cut->version : 0;
    Snapshot state;
    state.stream = stream;
    std::int64_t chunks = 0;
    std::size_t bytes = 0;
    std::optional<std::string> fault;
    /// False where folding ends.
    const auto take = [&](StoredChunk& stored) {
      const bool is_baseline = stored.cut.has_value();
      const auto end = is_baseline ? stored.cut->version : stored.chunk.first + stored.events - 1;
      if (end > up_to) {
        out.is_complete = true;
        return false;
      }
      if (!is_baseline && (stored.at == 0 || stored.at >= old_)) return false;
      fault = fold_proved(state, stored.chunk, stored.text, stored.events);
      if (fault) return false;
      if (is_baseline) return true;
      out.events += stored.events;
      bytes += stored.text.size();
      return ++chunks < folded_chunks_max && bytes < folded_bytes_max && !(chunks % 10 == 0 && is_over());
    };
    if (take(first.stored)) {
      Bson order, options;
      order.small("_id", 1);
      options.document("sort", order).document("hint", order).integer("batchSize", page_max);
      bool ended = true;
      PEBBLES_TRY_VOID(
          find(events_.get(), chunks_from(stream, state.progress.version + 1), options, [&](const bson_t* document) {
            auto stored = read_chunk(document);
            if (!stored) fault = stored.error().detail;
            ended = false;
            if (!stored || !take(*stored)) return false;
            ended = true;
            return true;
          }));
      out.is_complete = out.is_complete || ended;
    }
    if (fault) {
      // A log that contradicts itself is left for `verify` to tell of.
      telemetry::load_failed(*stream.client, *stream.filename, *fault);
      return Cutting{.version = out.version};
    }
    if (chunks == 0) return out;
    PEBBLES_TRY(stands, put_baseline(first, state));
    if (!stands) return Cutting{.version = out.version};  // another instance was faster
    out.version = state.progress.version;
    return out;
  }

  /// False where the log's beginning is another one by now.
  Result<bool> put_baseline(const Beginning& first, const Snapshot& state) {
    const auto& was = first.stored;
    const auto text = encode_events(std::vector{baseline_of(state)});
    const auto hash = hash_chunk(state.stream, was.chunk.first, 1, {}, text);
    const bool is_alive = state.progress.exists();
    const bool covers_others =
        was.cut ? state.progress.version > was.cut->version : state.progress.version >= was.chunk.first + was.events;
    Bson set, cut, type, clock, gone;
    cut.integer("version", state.progress.version).document("head", reference(state.head));
    set.small("n", 1).null("prev").binary("hash", hash).text("events", text).document("cut", cut);
    gone.text("at", "");
    // The first chunk's own keys stay with the baseline; those of the others in their places (`clear`).
    std::optional<Timestamp> keys_until;
    if (!was.cut) {
      const auto keys = keys_of(was.chunk);
      if (!keys.empty() && are_young(was.at)) {
        append_keys(set, keys);
        keys_until = seconds_of(was.at) + waits().keys;
      } else {
        gone.text("keys", "");
      }
    } else {
      keys_until = first.keys_until;
    }
    if (!is_alive) keys_until.reset();  // they stay as long as the tombstone
    if (keys_until)
      set.time("keysUntil", *keys_until);
    else
      gone.text("keysUntil", "");
    if (covers_others) {
      if (first.left == 0) set.integer("left", was.cut ? was.cut->version + 1 : 2);
      set.time("due", now_ + waits().grace);
    } else if (keys_until) {
      set.time("due", *keys_until);
    }
    type.text("$type", "timestamp");
    clock.document("cutAt", type);
    Bson change;
    change.document("$set", set).document("$unset", gone).document("$currentDate", clock);
    Writes writes{events_.get(), nullptr};
    writes.update(first.filter(), change);
    PEBBLES_TRY(done, execute(writes));
    return done.matched == 1;
  }

  [[nodiscard]] bool are_young(ServerTime at) const { return seconds_of(at) + waits().keys > now_; }

  static Result<BulkReply> execute(Writes& writes) {
    BulkReply done;
    if (writes.empty()) return done;
    if (const auto fault = writes.execute(done)) return std::unexpected{fault->to_error()};
    return done;
  }

  static Bson without_texts() {
    Bson fields, out;
    fields.small("events", 0).small("kept", 0);
    out.document("projection", fields);
    return out;
  }

  /// What a later moment was named for: covered chunks go, and keys that are old enough.
  Result<void> clear_due(bool& more) {
    Bson passed, filter, index, options = without_texts();
    passed.time("$lte", now_);
    filter.document("due", passed);
    index.small("due", 1);
    options.document("sort", index).document("hint", index).integer("limit", page_max);
    std::vector<Beginning> found;
    PEBBLES_TRY_VOID(find(events_.get(), filter, options, [&](const bson_t* document) {
      if (auto read = read_beginning(document)) found.push_back(*std::move(read));
      return true;
    }));
    more = more || std::cmp_equal(found.size(), page_max);
    Writes writes{events_.get(), nullptr};
    for (const auto& one : found) {
      if (one.stored.events == 0) {
        auto stripped = only_id(one.stored.stream, one.stored.chunk.first);
        stripped.time("due", *one.due);
        writes.remove(stripped);
      } else if (one.left == 0) {
        const bool keys_go = one.keys_until && *one.keys_until <= now_;
        writes.update(one.filter(),
                      keys_go ? change_of({}, {"due", "keys", "kept", "keysUntil"}) : change_of({}, {"due"}));
      } else if (is_over()) {
        more = true;
      } else {
        PEBBLES_TRY(is_done, clear(one));
        more = more || !is_done;
      }
    }
    PEBBLES_TRY_VOID(execute(writes));
    return {};
  }

  /// Takes away a page of what a baseline covers, or all but the keys where those must stay. True when that was all.
  Result<bool> clear(const Beginning& first) {
    const auto& stream = first.stored.stream;
    struct Covered {
      StoredChunk stored;
      bool has_keys = false;
    };
    std::vector<Covered> covered;
    Bson range, filter = stream_filter(stream), some, order, fields, options;
    range.document("$gte", chunk_id(stream, std::max<Version>(first.left, 2)));
    range.document("$lte", chunk_id(stream, first.stored.cut ? first.stored.cut->version : 0));
    some.small("$gt", 0);
    filter.document("_id", range).document("n", some);
    order.small("_id", 1);
    for (const std::string_view name : {"_id", "format", "n", "at", "keys"}) fields.small(name, 1);
    options.document("sort", order).document("hint", order).document("projection", fields).integer("limit", page_max);
    PEBBLES_TRY_VOID(find(events_.get(), filter, options, [&](const bson_t* document) {
      auto stored = read_chunk(document);
      if (!stored) return true;
      auto& one = covered.emplace_back(Covered{.stored = *std::move(stored)});
      each_member(document, [&](std::string_view name, auto) { one.has_keys = one.has_keys || name == "keys"; });
      return true;
    }));
    Writes writes{events_.get(), nullptr};
    for (const auto& one : covered) {
      // Its time tells that it is this chunk, and not one of another log that began here meanwhile.
      auto same = only_id(stream, one.stored.chunk.first);
      append_time(same, "at", one.stored.at);
      if (one.has_keys && are_young(one.stored.at)) {
        PEBBLES_TRY_VOID(strip(writes, same, first));
      } else {
        writes.remove(same);
      }
    }
    PEBBLES_TRY_VOID(execute(writes));
    const bool is_done = std::cmp_less(covered.size(), page_max);
    Writes note{events_.get(), nullptr};
    Bson set;
    if (!is_done)
      note.update(first.filter(), change_of(set.integer("left", covered.back().stored.chunk.first + 1), {}));
    else if (first.keys_until)
      note.update(first.filter(), change_of(set.time("due", *first.keys_until), {"left"}));
    else
      note.update(first.filter(), change_of(set, {"left", "due"}));
    PEBBLES_TRY_VOID(execute(note));
    return is_done;
  }

  /// Leaves of a chunk only its keys, and what they lead to. What cannot be read stays.
  Result<void> strip(Writes& writes, const Bson& filter, const Beginning& first) {
    std::optional<StoredChunk> whole;
    PEBBLES_TRY_VOID(find(events_.get(), filter, by_id(), [&](const bson_t* document) {
      if (auto read = read_whole_chunk(document)) whole = *std::move(read);
      return false;
    }));
    if (!whole) return {};
    Bson set;
    set.small("n", 0);
    append_keys(set, keys_of(whole->chunk));
    // Those of a life that is over stay as long as its tombstone.
    if (whole->chunk.first > first.deleted_version) set.time("due", seconds_of(whole->at) + waits().keys);
    writes.update(filter, change_of(set, {"events", "at", "prev", "hash", "token"}));
    return {};
  }

  /// Deleted files whose document still stands: first their log is cut, then that goes.
  Result<void> bury_documents(Timestamp& cursor, bool dry_run, Pruned& out) {
    // By the server that deleted it, whose clock may be a little off: hence the grace.
    const auto before = seconds_of(old_) - waits().grace;
    Bson range, filter, index, options;
    range.time("$gt", cursor).time("$lte", before);
    filter.document("deletedAt", range);
    index.small("deletedAt", 1);
    options.document("sort", index).document("hint", index).integer("limit", page_max);
    std::vector<std::shared_ptr<Snapshot>> page;
    std::vector<StreamId> streams;
    PEBBLES_TRY_VOID(find(progress_.get(), filter, options, [&](const bson_t* document) {
      auto read = read_snapshot(document);
      if (!read || read->snapshot->progress.exists()) return true;
      streams.push_back(read->snapshot->stream);
      page.push_back(std::move(read->snapshot));
      return true;
    }));
    PEBBLES_TRY(covered, versions_of_cuts(streams));
    for (const auto& tombstone : page) {
      const auto& state = *tombstone;
      const auto version = state.progress.version;
      if (dry_run) {
        const auto known = covered.find(state.stream);
        if (known != covered.end() && known->second < version) {
          ++out.logs;
          out.events += version - known->second;
          known->second = version;
        }
      } else {
        if (is_over()) {
          out.more = true;
          return {};
        }
        PEBBLES_TRY(done, cut(state.stream, version));
        if (done.events > 0) ++out.logs;
        out.events += done.events;
        if (done.is_complete) {
          PEBBLES_TRY_VOID(end_document(state));
        } else if (done.events > 0) {
          out.more = true;  // of a long log a part
          return {};
        }
      }
      cursor = state.progress.updated_at;
    }
    out.more = out.more || std::cmp_equal(page.size(), page_max);
    return {};
  }

  /// From here on the baseline alone tells of the life that is over.
  Result<void> end_document(const Snapshot& state) {
    const auto& gone = state.progress;
    Bson at_least, filter = only_id(state.stream, 1), set;
    at_least.integer("$gte", gone.version);
    filter.document("cut.version", at_least);
    set.time("deletedAt", gone.updated_at).integer("deletedVersion", gone.version);
    Writes mark{events_.get(), nullptr};
    mark.update(filter, change_of(set, {"keysUntil"}));
    PEBBLES_TRY_VOID(execute(mark));
    Bson same = stream_filter(state.stream), exists;
    exists.boolean("$exists", true);
    same.object_id("_id", gone.id).integer("version", gone.version).document("deletedAt", exists);
    Writes writes{progress_.get(), nullptr};
    writes.remove(same);
    PEBBLES_TRY_VOID(execute(writes));
    return {};
  }

  /// What was left of deleted files for those who deliver late, once that time is over.
  Result<void> end_tombstones(Timestamp& cursor, Timestamp before, bool dry_run, Pruned& out) {
    Bson range, filter, index, options = without_texts();
    range.time("$gt", cursor).time("$lt", before);
    filter.document("deletedAt", range);
    index.small("deletedAt", 1);
    options.document("sort", index).document("hint", index).integer("limit", page_max);
    std::vector<Beginning> page;
    PEBBLES_TRY_VOID(find(events_.get(), filter, options, [&](const bson_t* document) {
      if (auto read = read_beginning(document)) page.push_back(*std::move(read));
      return true;
    }));
    for (const auto& first : page) {
      if (!dry_run && is_over()) {
        out.more = true;
        return {};
      }
      PEBBLES_TRY(goes_on, has_chunk_behind(first));
      const bool is_alive = goes_on || first.stored.cut->version > first.deleted_version;
      if (!is_alive && dry_run) ++out.tombstones;
      if (!dry_run) {
        PEBBLES_TRY(is_gone, is_alive ? forget_keys(first) : forget(first));
        if (is_gone && !is_alive) ++out.tombstones;
      }
      cursor = *first.deleted_at;
    }
    out.more = out.more || std::cmp_equal(page.size(), page_max);
    return {};
  }

  Result<bool> has_chunk_behind(const Beginning& first) {
    Bson options, index;
    index.small("_id", 1);
    options.integer("limit", 1).document("hint", index).document("projection", index);
    bool out = false;
    PEBBLES_TRY_VOID(find(events_.get(), chunks_from(first.stored.stream, first.stored.cut->version + 1), options,
                          [&](const bson_t*) { return !(out = true); }));
    return out;
  }

  /// Another life has begun behind what is left: only the keys of the one that is over go.
  Result<bool> forget_keys(const Beginning& first) {
    if (first.left > 0) return false;  // not all is stripped yet
    PEBBLES_TRY(all, remove_stripped(first));
    if (!all) return false;
    Writes writes{events_.get(), nullptr};
    writes.update(first.filter(),
                  change_of({}, {"deletedAt", "deletedVersion", "keys", "kept", "keysUntil", "heldAt"}));
    PEBBLES_TRY_VOID(execute(writes));
    return true;
  }

  /// The last rest of a file. A new life may be about to begin: whoever begins one marks the baseline before he looks
  /// at it, and a mark that is there, or comes now, keeps it; and whoever looked before it was one has ended by now.
  Result<bool> forget(const Beginning& first) {
    if (first.stored.cut->at >= settled_) return false;
    if (first.held_at > 0 && (first.held_at >= settled_ || seconds_of(first.held_at) + waits().held >= now_))
      return false;
    PEBBLES_TRY(places, find_places(progress_.get(), std::span{&first.stored.stream, 1}));
    if (!places.empty()) return false;  // its document goes first
    PEBBLES_TRY(all, remove_covered(first));
    if (!all) return false;
    auto same = first.filter();
    append_time(same, "cutAt", first.stored.cut->at);
    if (first.held_at > 0) {
      append_time(same, "heldAt", first.held_at);
    } else {
      Bson none;
      none.boolean("$exists", false);
      same.document("heldAt", none);
    }
    Writes writes{events_.get(), nullptr};
    writes.remove(same);
    PEBBLES_TRY(done, execute(writes));
    return done.removed == 1;
  }

  /// True when nothing is left of it.
  Result<bool> remove_covered(const Beginning& first) { return remove_behind(first, {}); }
  /// The same of what was stripped and stays as long as the tombstone.
  Result<bool> remove_stripped(const Beginning& first) {
    Bson rest, none;
    none.boolean("$exists", false);
    rest.small("n", 0).document("due", none);
    return remove_behind(first, rest);
  }

  Result<bool> remove_behind(const Beginning& first, const Bson& which) {
    const auto& stream = first.stored.stream;
    Bson range, filter = stream_filter(stream), index, fields, options;
    range.document("$gte", chunk_id(stream, 2)).document("$lte", chunk_id(stream, first.stored.cut->version));
    filter.document("_id", range);
    bson_concat(filter.get(), which.get());
    index.small("_id", 1);
    for (const std::string_view name : {"_id", "format", "n", "at"}) fields.small(name, 1);
    options.document("hint", index).document("projection", fields).integer("limit", page_max);
    Writes writes{events_.get(), nullptr};
    std::int64_t count = 0;
    PEBBLES_TRY_VOID(find(events_.get(), filter, options, [&](const bson_t* document) {
      const auto stored = read_chunk(document);
      if (!stored) return true;
      auto same = only_id(stream, stored->chunk.first);
      same.small("n", static_cast<std::int32_t>(stored->events));
      if (stored->at > 0) append_time(same, "at", stored->at);
      writes.remove(same);
      ++count;
      return true;
    }));
    PEBBLES_TRY_VOID(execute(writes));
    return count < page_max;
  }

  Shared& shared_;
  const Lease& lease_;
  Collection events_;
  Collection progress_;
  Timestamp now_;
  ServerTime settled_ = 0;  ///< what stands before it is nobody's open business any more
  ServerTime old_ = 0;      ///< only chunks that were written before it are cut
  steady_clock::time_point end_;
};

class MongoPruner final : public Pruner {
 public:
  explicit MongoPruner(std::shared_ptr<Shared> shared) : shared_{std::move(shared)} {}

  Result<Timestamp> now() override {
    PEBBLES_TRY(lease, ready());
    PEBBLES_TRY(now, shared_->server_time(lease));
    return seconds_of(now);
  }

  Result<std::vector<CompletedFile>> completed(const Clients& clients, Timestamp before,
                                               const std::optional<CompletedPosition>& after,
                                               std::size_t limit) override {
    PEBBLES_TRY(lease, ready());
    const auto progress = shared_->collection(lease, progress_name);
    std::vector<CompletedFile> out;
    if (after) {
      Bson behind, same;
      behind.object_id("$gt", after->id);
      same.time("completedAt", after->completed_at).document("_id", behind);
      if (after->completed_at < before) PEBBLES_TRY_VOID(take_completed(progress.get(), same, clients, limit, out));
    }
    if (out.size() == limit) return out;
    Bson range, filter;
    if (after) range.time("$gt", after->completed_at);
    range.time("$lt", before);
    filter.document("completedAt", range);
    PEBBLES_TRY_VOID(take_completed(progress.get(), filter, clients, limit, out));
    return out;
  }

  Result<Pruned> cut_logs(const Clients& clients, Timestamp before, bool dry_run) override {
    const std::pair run{clients.only, dry_run};
    return step([&](Step& step) { return step.cut_logs(cursors_.logs[run], clients, before, dry_run); },
                [&] { cursors_.logs.erase(run); });
  }

  Result<Pruned> bury(Timestamp tombstones_before, bool dry_run) override {
    const auto from = [&](auto& cursors) -> Timestamp& {
      return cursors.try_emplace(dry_run, Timestamp::min()).first->second;
    };
    return step(
        [&](Step& step) {
          return step.bury(from(cursors_.tombstones), from(cursors_.remains), tombstones_before, dry_run);
        },
        [&] {
          cursors_.tombstones.erase(dry_run);
          cursors_.remains.erase(dry_run);
        });
  }

 private:
  Result<Lease> ready() {
    auto lease = shared_->lease();
    if (!lease) return failure(Errc::store_unavailable, "MongoDB: no client is free");
    PEBBLES_TRY_VOID(shared_->prepare(lease));
    return lease;
  }

  template <class Work, class End>
  Result<Pruned> step(Work&& work, End&& end) {
    PEBBLES_TRY(lease, ready());
    Step step{*shared_, lease};
    PEBBLES_TRY_VOID(step.begin());
    auto out = work(step);
    if (out && !out->more) end();
    return out;
  }

  static Result<void> take_completed(mongoc_collection_t* progress, const Bson& which, const Clients& clients,
                                     std::size_t limit, std::vector<CompletedFile>& out) {
    Bson filter{which.get()}, index, order, fields, options;
    if (clients.only) {
      filter.text("clientKrn", **clients.only);
      index.small("clientKrn", 1);
    } else if (!clients.but.empty()) {
      BsonArray others;
      for (const auto& client : clients.but)
        others.add([&](Bson& array, std::string_view key) { array.text(key, *client); });
      Bson none;
      none.array("$nin", others.get());
      filter.document("clientKrn", none);
    }
    index.small("completedAt", 1).small("_id", 1);
    order.small("completedAt", 1).small("_id", 1);
    for (const std::string_view name : {"clientKrn", "filename", "completedAt"}) fields.small(name, 1);
    options.document("sort", order).document("hint", index).document("projection", fields);
    options.integer("limit", static_cast<std::int64_t>(limit - out.size()));
    return find(progress, filter, options, [&](const bson_t* document) {
      auto& file = out.emplace_back();
      each_member(document, [&](std::string_view name, const bson_iter_t& member) {
        if (name == "_id" && BSON_ITER_HOLDS_OID(&member))
          std::copy_n(bson_iter_oid(&member)->bytes, file.position.id.size(), file.position.id.begin());
        if (name == "clientKrn") file.stream.client = domain::ClientKrn{std::string{text_of(member)}};
        if (name == "filename") file.stream.filename = domain::Filename{std::string{text_of(member)}};
        if (name == "completedAt" && BSON_ITER_HOLDS_DATE_TIME(&member))
          file.position.completed_at = Timestamp{milliseconds{bson_iter_date_time(&member)}};
      });
      return true;
    });
  }

  std::shared_ptr<Shared> shared_;
  Cursors cursors_;
};

}  // namespace

std::unique_ptr<Pruner> make_pruner(std::shared_ptr<Shared> shared) {
  return std::make_unique<MongoPruner>(std::move(shared));
}

}  // namespace pebbles::store::mongo
