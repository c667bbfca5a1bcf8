#include "store/mongo/covered_chunks.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "store/log_format.hpp"

namespace pebbles::store::mongo {
namespace {

struct Covered {
  StoredChunk stored;  ///< without its text
  bool has_keys = false;
};

/// A portion of what a baseline covers, from that version on.
Result<std::vector<Covered>> find_covered(const PruneStep& step, const LogBeginning& first, Version from) {
  const auto& stream = first.stored.stream;
  std::vector<Covered> out;
  Bson range, filter = stream_filter(stream), some, order, fields, options;
  range.document("$gte", chunk_id(stream, from));
  range.document("$lte", chunk_id(stream, first.stored.cut ? first.stored.cut->version : 0));
  some.small("$gt", 0);
  filter.document("_id", range).document("n", some);
  order.small("_id", 1);
  for (const std::string_view name : {"_id", "format", "n", "at", "keys"}) fields.small(name, 1);
  options.document("sort", order).document("hint", order).document("projection", fields);
  options.integer("limit", PruneStep::portion_max);
  PEBBLES_TRY_VOID(find(step.events(), filter, options, [&](const bson_t* document) {
    auto stored = read_chunk(document);
    if (!stored) return true;
    auto& one = out.emplace_back(Covered{.stored = *std::move(stored)});
    each_member(document,
                [&](std::string_view name, const bson_iter_t&) { one.has_keys = one.has_keys || name == "keys"; });
    return true;
  }));
  return out;
}

/// The filter of a chunk by its time: that tells it from one of another log that began here meanwhile.
Bson same_chunk(const StoredChunk& stored) {
  auto out = only_id(stored.stream, stored.chunk.first);
  append_time(out, "at", stored.at);
  return out;
}

/// Leaves of these chunks only their keys, and what they lead to. What cannot be read stays.
Result<void> strip(const PruneStep& step, Writes& writes, const LogBeginning& first, std::span<const Covered> chunks) {
  const auto& stream = first.stored.stream;
  BsonArray ids;
  for (const auto& one : chunks)
    ids.add(
        [&](Bson& array, std::string_view name) { array.document(name, chunk_id(stream, one.stored.chunk.first)); });
  Bson among, filter = stream_filter(stream);
  among.array("$in", ids.get());
  filter.document("_id", among);
  return find(step.events(), filter, by_id(), [&](const bson_t* document) {
    const auto whole = read_whole_chunk(document);
    if (!whole || whole->at == 0) return true;
    Bson set;
    set.small("n", 0);
    append_keys(set, keys_of(whole->chunk));
    // Those of a life that is over stay as long as its tombstone.
    if (whole->chunk.first > first.deleted_version) set.time("due", seconds_of(whole->at) + step.waits().keys);
    writes.update(same_chunk(*whole), change_of(set, {"events", "at", "prev", "hash", "token"}));
    return true;
  });
}

/// The last event of a chunk, without who did it.
std::string deletion_in(const StoredChunk& whole) {
  auto event = whole.chunk.events.back();
  event.by = {};
  std::string out;
  append_event(out, event);
  return out;
}

/// Leaves of the chunk of a deletion what is told of it.
Result<void> strip_deletion(const PruneStep& step, Writes& writes, const StoredChunk& deletion) {
  return find(step.events(), same_chunk(deletion), by_id(), [&](const bson_t* document) {
    const auto whole = read_whole_chunk(document);
    if (!whole || whole->at == 0) return true;
    Bson set;
    set.small("n", 0).text("events", deletion_in(*whole));
    const auto keys = keys_of(whole->chunk);
    if (keys.empty())
      set.time("due", step.now() + step.waits().grace);
    else
      append_keys(set, keys);
    writes.update(same_chunk(*whole), change_of(set, {"prev", "hash", "token"}));
    return true;
  });
}

/// Takes away what a baseline covers, or all but the keys where those must stay, while the step lasts. True when that
/// was all.
Result<bool> clear(const PruneStep& step, const LogBeginning& first) {
  auto left = std::max<Version>(first.left, 2);
  bool is_done = false;
  do {
    PEBBLES_TRY(covered, find_covered(step, first, left));
    is_done = std::cmp_less(covered.size(), PruneStep::portion_max);
    if (!is_done) left = covered.back().stored.chunk.first + 1;
    const auto goes = std::ranges::partition(
        covered, [&](const Covered& one) { return one.has_keys && step.is_young(one.stored.at); });
    Writes writes{step.events(), nullptr};
    for (const auto& one : goes) writes.remove(same_chunk(one.stored));
    const std::span keyed{covered.begin(), goes.begin()};
    if (!keyed.empty()) PEBBLES_TRY_VOID(strip(step, writes, first, keyed));
    PEBBLES_TRY_VOID(execute(writes));
  } while (!is_done && !step.is_spent());
  Writes note{step.events(), nullptr};
  Bson set;
  if (!is_done)
    note.update(first.filter(), change_of(set.integer("left", left), {}));
  else if (first.keys_until)
    note.update(first.filter(), change_of(set.time("due", *first.keys_until), {"left"}));
  else
    note.update(first.filter(), change_of(set, {"left", "due"}));
  PEBBLES_TRY_VOID(execute(note));
  return is_done;
}

/// What is behind a baseline, up to its version, and of that kind, while the step lasts. True when nothing is left of
/// it.
Result<Remains> remove_behind(const PruneStep& step, const LogBeginning& first, const Bson& which) {
  const auto& stream = first.stored.stream;
  Bson range, filter = stream_filter(stream), index, fields, options;
  range.document("$gte", chunk_id(stream, 2)).document("$lte", chunk_id(stream, first.stored.cut->version));
  filter.document("_id", range);
  bson_concat(filter.get(), which.get());
  index.small("_id", 1);
  for (const std::string_view name : {"_id", "format", "n", "at"}) fields.small(name, 1);
  options.document("hint", index).document("projection", fields).integer("limit", PruneStep::portion_max);
  for (;;) {
    Writes writes{step.events(), nullptr};
    std::int64_t count = 0;
    PEBBLES_TRY_VOID(find(step.events(), filter, options, [&](const bson_t* document) {
      ++count;
      const auto stored = read_chunk(document);
      if (!stored) return true;
      auto same = only_id(stream, stored->chunk.first);
      same.small("n", static_cast<std::int32_t>(stored->events));
      if (stored->at > 0) append_time(same, "at", stored->at);
      writes.remove(same);
      return true;
    }));
    PEBBLES_TRY(done, execute(writes));
    if (count < PruneStep::portion_max) return Remains::gone;
    if (done.removed == 0) return Remains::stay;  // it is damaged
    if (step.is_spent()) return Remains::partial;
  }
}

}  // namespace

Result<bool> clear_due(PruneStep& step) {
  Bson passed, filter, index, options = without_texts();
  passed.time("$lte", step.now());
  filter.document("due", passed);
  index.small("due", 1);
  options.document("sort", index).document("hint", index).integer("limit", PruneStep::page_max);
  std::vector<LogBeginning> found;
  PEBBLES_TRY_VOID(find(step.events(), filter, options, [&](const bson_t* document) {
    if (auto read = read_beginning(document)) found.push_back(*std::move(read));
    return true;
  }));
  bool more = std::cmp_equal(found.size(), PruneStep::page_max);
  Writes writes{step.events(), nullptr};
  for (const auto& one : found) {
    if (one.stored.events == 0) {
      auto stripped = only_id(one.stored.stream, one.stored.chunk.first);
      stripped.time("due", *one.due);
      writes.remove(stripped);
    } else if (one.left == 0) {
      const bool keys_go = one.keys_until && *one.keys_until <= step.now();
      writes.update(one.filter(),
                    keys_go ? change_of({}, {"due", "keys", "kept", "keysUntil"}) : change_of({}, {"due"}));
    } else if (!step.takes_another()) {
      more = true;
    } else {
      PEBBLES_TRY(is_done, clear(step, one));
      more = more || !is_done;
    }
  }
  PEBBLES_TRY_VOID(execute(writes));
  return more;
}

Result<bool> erase_covered(const PruneStep& step, const LogBeginning& first, Version deleted) {
  auto of_deleted = first;
  of_deleted.deleted_version = std::max(first.deleted_version, deleted);
  for (;;) {
    PEBBLES_TRY(covered, find_covered(step, first, 2));
    Writes writes{step.events(), nullptr};
    std::vector<Covered> keyed;
    for (const auto& one : covered) {
      if (one.stored.chunk.first + one.stored.events - 1 == deleted) {
        PEBBLES_TRY_VOID(strip_deletion(step, writes, one.stored));
      } else if (one.has_keys) {
        keyed.push_back(one);
      } else {
        Bson set;
        set.small("n", 0).time("due", step.now() + step.waits().grace);
        writes.update(same_chunk(one.stored), change_of(set, {"events", "at", "prev", "hash", "token"}));
      }
    }
    if (!keyed.empty()) PEBBLES_TRY_VOID(strip(step, writes, of_deleted, keyed));
    PEBBLES_TRY(done, execute(writes));
    if (std::cmp_less(covered.size(), PruneStep::portion_max)) return true;
    if (done.matched == 0 || step.is_spent()) return done.matched == 0;  // what is damaged stays
  }
}

Result<void> keep_deletion(const PruneStep& step, const StoredChunk& whole) {
  const auto version = whole.chunk.events.back().version;
  Bson set = stream_filter(whole.stream);
  set.small("n", 0).small("format", log_format).text("events", deletion_in(whole));
  append_time(set, "at", whole.at);
  set.time("due", step.now() + step.waits().grace);
  Writes writes{step.events(), nullptr};
  writes.update(only_id(whole.stream, version), change_of(set, {}), true);
  PEBBLES_TRY_VOID(execute(writes));
  return {};
}

Result<Remains> remove_covered(const PruneStep& step, const LogBeginning& first) {
  return remove_behind(step, first, {});
}

Result<Remains> remove_stripped(const PruneStep& step, const LogBeginning& first) {
  Bson rest, none;
  none.boolean("$exists", false);
  rest.small("n", 0).document("due", none);
  return remove_behind(step, first, rest);
}

}  // namespace pebbles::store::mongo
