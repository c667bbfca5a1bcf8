#include "store/mongo/burial.hpp"

#include <utility>

#include "store/log_format.hpp"
#include "store/mongo/log_cutter.hpp"
#include "store/mongo/queries.hpp"

namespace pebbles::store::mongo {

Result<Pruned> Burial::bury_documents(DeletionCursor& cursor, bool dry_run) {
  Pruned out;
  // By the server that deleted it, whose clock may be a little off: hence the grace.
  const auto before = seconds_of(step_.old()) - step_.waits().grace;
  const auto page = PruneStep::page_max + static_cast<std::int64_t>(cursor.seen.size());
  Bson range, filter, index, options;
  range.time("$gte", cursor.at).time("$lte", before);
  filter.document("deletedAt", range);
  index.small("deletedAt", 1);
  options.document("sort", index).document("hint", index).integer("limit", page);
  std::vector<std::shared_ptr<Snapshot>> tombstones;
  std::int64_t found = 0;
  std::vector<StreamId> streams;
  PEBBLES_TRY_VOID(find(step_.progress(), filter, options, [&](const bson_t* document) {
    ++found;
    auto read = read_snapshot(document);
    if (!read || read->snapshot->progress.exists() || cursor.seen.contains(read->snapshot->stream)) return true;
    streams.push_back(read->snapshot->stream);
    tombstones.push_back(std::move(read->snapshot));
    return true;
  }));
  LogCutter cutter{step_, step_.old()};
  PEBBLES_TRY(covered, cutter.versions_of_cuts(streams));
  for (const auto& tombstone : tombstones) {
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
      if (!step_.takes_another()) {
        out.more = true;
        return out;
      }
      PEBBLES_TRY(done, cutter.cut(state.stream, version));
      if (done.events > 0) ++out.logs;
      out.events += done.events;
      if (done.is_complete) {
        PEBBLES_TRY_VOID(end_document(state));
        continue;
      }
      if (done.events > 0) {
        out.more = true;  // of a long log a part
        return out;
      }
    }
    cursor.pass(state.progress.updated_at, state.stream);
  }
  out.more = out.more || (found == page && !tombstones.empty());  // a page of what cannot be read would come again
  return out;
}

Result<Pruned> Burial::erase_contents(DeletionCursor& cursor, bool& waits) {
  Pruned out;
  const auto page = PruneStep::page_max + static_cast<std::int64_t>(cursor.seen.size());
  Bson range, filter, index, options;
  range.time("$gte", cursor.at);
  filter.document("deletedAt", range);
  index.small("deletedAt", 1);
  options.document("sort", index).document("hint", index).integer("limit", page);
  std::vector<std::shared_ptr<Snapshot>> tombstones;
  std::int64_t found = 0;
  PEBBLES_TRY_VOID(find(step_.progress(), filter, options, [&](const bson_t* document) {
    ++found;
    auto read = read_snapshot(document);
    if (!read || read->snapshot->progress.exists() || cursor.seen.contains(read->snapshot->stream)) return true;
    tombstones.push_back(std::move(read->snapshot));
    return true;
  }));
  for (const auto& tombstone : tombstones) {
    PEBBLES_TRY(passes, erase_contents_of(*tombstone, out, waits));
    if (!passes) {
      out.more = true;
      return out;
    }
    cursor.pass(tombstone->progress.updated_at, tombstone->stream);
  }
  out.more = found == page && !tombstones.empty();
  return out;
}

/// False where the step ended before all was done.
Result<bool> Burial::erase_contents_of(const Snapshot& state, Pruned& out, bool& waits) {
  const auto& stream = state.stream;
  const auto version = state.progress.version;
  if (!step_.takes_another()) return false;
  PEBBLES_TRY(first, find_beginning(step_.events(), stream));
  if (!first) return true;
  const auto& whole = first->stored;
  if (!whole.cut && whole.chunk.first + whole.events - 1 == version && whole.at < step_.old()) {
    auto decoded = decode_events(whole.text);
    if (!decoded || decoded->empty()) return true;  // it is damaged, and left for `verify` to tell of
    auto deletion = whole;
    deletion.chunk.events = *std::move(decoded);
    PEBBLES_TRY_VOID(keep_deletion(step_, deletion));
  }
  LogCutter cutter{step_, step_.old()};
  PEBBLES_TRY(done, cutter.cut(stream, version));
  if (done.events > 0) ++out.logs;
  out.events += done.events;
  if (!done.is_complete) {
    if (done.events > 0) return false;  // of a long log a part
    waits = true;
    return true;
  }
  PEBBLES_TRY(baseline, find_beginning(step_.events(), stream));
  if (!baseline || !baseline->stored.cut) return true;
  return erase_covered(step_, *baseline, version);
}

/// From here on the baseline alone tells of the life that is over.
Result<void> Burial::end_document(const Snapshot& state) const {
  const auto& gone = state.progress;
  Bson at_least, filter = only_id(state.stream, 1), set;
  at_least.integer("$gte", gone.version);
  filter.document("cut.version", at_least);
  set.time("deletedAt", gone.updated_at).integer("deletedVersion", gone.version);
  Writes mark{step_.events(), nullptr};
  mark.update(filter, change_of(set, {"keysUntil"}));
  PEBBLES_TRY_VOID(execute(mark));
  Bson same = stream_filter(state.stream), exists;
  exists.boolean("$exists", true);
  same.object_id("_id", gone.id).integer("version", gone.version).document("deletedAt", exists);
  Writes writes{step_.progress(), nullptr};
  writes.remove(same);
  PEBBLES_TRY_VOID(execute(writes));
  return {};
}

Result<Pruned> Burial::end_tombstones(DeletionCursor& cursor, Timestamp before, bool dry_run) {
  Pruned out;
  const auto page = PruneStep::page_max + static_cast<std::int64_t>(cursor.seen.size());
  Bson range, filter, index, options = without_texts();
  range.time("$gte", cursor.at).time("$lt", before);
  filter.document("deletedAt", range);
  index.small("deletedAt", 1);
  options.document("sort", index).document("hint", index).integer("limit", page);
  std::vector<LogBeginning> beginnings;
  std::int64_t found = 0;
  PEBBLES_TRY_VOID(find(step_.events(), filter, options, [&](const bson_t* document) {
    ++found;
    auto read = read_beginning(document);
    if (read && !cursor.seen.contains(read->stored.stream)) beginnings.push_back(*std::move(read));
    return true;
  }));
  for (const auto& first : beginnings) {
    if (!dry_run && !step_.takes_another()) {
      out.more = true;
      return out;
    }
    PEBBLES_TRY(goes_on, has_chunk_behind(first));
    const bool is_alive = goes_on || first.stored.cut->version > first.deleted_version;
    if (dry_run) {
      out.tombstones += is_alive ? 0 : 1;
    } else {
      PEBBLES_TRY(remains, is_alive ? forget_keys(first) : forget(first));
      if (remains == Remains::partial) {
        out.more = true;
        return out;
      }
      if (remains == Remains::gone) {
        out.tombstones += is_alive ? 0 : 1;
        continue;
      }
    }
    cursor.pass(*first.deleted_at, first.stored.stream);
  }
  out.more = out.more || (found == page && !beginnings.empty());  // a page of what cannot be read would come again
  return out;
}

Result<bool> Burial::has_chunk_behind(const LogBeginning& first) const {
  Bson options, index;
  index.small("_id", 1);
  options.integer("limit", 1).document("hint", index).document("projection", index);
  bool out = false;
  PEBBLES_TRY_VOID(find(step_.events(), chunks_from(first.stored.stream, first.stored.cut->version + 1), options,
                        [&](const bson_t*) { return !(out = true); }));
  return out;
}

/// Another life has begun behind what is left: only the keys of the one that is over go.
Result<Remains> Burial::forget_keys(const LogBeginning& first) const {
  if (first.left > 0) return Remains::stay;  // not all is stripped yet
  PEBBLES_TRY(covered, remove_stripped(step_, first));
  if (covered != Remains::gone) return covered;
  Writes writes{step_.events(), nullptr};
  writes.update(first.filter(), change_of({}, {"deletedAt", "deletedVersion", "keys", "kept", "keysUntil", "heldAt"}));
  PEBBLES_TRY_VOID(execute(writes));
  return Remains::gone;
}

/// The last rest of a file. A new life may be about to begin: whoever begins one marks the baseline before he looks
/// at it, and a mark that is there, or comes now, keeps it; and whoever looked before it was one has ended by now.
Result<Remains> Burial::forget(const LogBeginning& first) const {
  if (first.stored.cut->at >= step_.settled()) return Remains::stay;
  if (first.held_at > 0 &&
      (first.held_at >= step_.settled() || seconds_of(first.held_at) + step_.waits().held >= step_.now()))
    return Remains::stay;
  PEBBLES_TRY(places, find_places(step_.progress(), std::span{&first.stored.stream, 1}));
  if (!places.empty()) return Remains::stay;  // its document goes first
  PEBBLES_TRY(covered, remove_covered(step_, first));
  if (covered != Remains::gone) return covered;
  auto same = first.filter();
  append_time(same, "cutAt", first.stored.cut->at);
  if (first.held_at > 0) {
    append_time(same, "heldAt", first.held_at);
  } else {
    Bson none;
    none.boolean("$exists", false);
    same.document("heldAt", none);
  }
  Writes writes{step_.events(), nullptr};
  writes.remove(same);
  PEBBLES_TRY(done, execute(writes));
  return done.removed == 1 ? Remains::gone : Remains::stay;
}

}  // namespace pebbles::store::mongo
