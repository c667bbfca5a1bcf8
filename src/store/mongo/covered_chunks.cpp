#include "store/mongo/covered_chunks.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace pebbles::store::mongo {
namespace {

/// Leaves of a chunk only its keys, and what they lead to. What cannot be read stays.
Result<void> strip(const PruneStep& step, Writes& writes, const Bson& filter, const LogBeginning& first) {
  std::optional<StoredChunk> whole;
  PEBBLES_TRY_VOID(find(step.events(), filter, by_id(), [&](const bson_t* document) {
    if (auto read = read_whole_chunk(document)) whole = *std::move(read);
    return false;
  }));
  if (!whole) return {};
  Bson set;
  set.small("n", 0);
  append_keys(set, keys_of(whole->chunk));
  // Those of a life that is over stay as long as its tombstone.
  if (whole->chunk.first > first.deleted_version) set.time("due", seconds_of(whole->at) + step.waits().keys);
  writes.update(filter, change_of(set, {"events", "at", "prev", "hash", "token"}));
  return {};
}

/// Takes away a page of what a baseline covers, or all but the keys where those must stay. True when that was all.
Result<bool> clear(const PruneStep& step, const LogBeginning& first) {
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
  options.document("sort", order)
      .document("hint", order)
      .document("projection", fields)
      .integer("limit", PruneStep::page_max);
  PEBBLES_TRY_VOID(find(step.events(), filter, options, [&](const bson_t* document) {
    auto stored = read_chunk(document);
    if (!stored) return true;
    auto& one = covered.emplace_back(Covered{.stored = *std::move(stored)});
    each_member(document, [&](std::string_view name, auto) { one.has_keys = one.has_keys || name == "keys"; });
    return true;
  }));
  Writes writes{step.events(), nullptr};
  for (const auto& one : covered) {
    // Its time tells that it is this chunk, and not one of another log that began here meanwhile.
    auto same = only_id(stream, one.stored.chunk.first);
    append_time(same, "at", one.stored.at);
    if (one.has_keys && step.is_young(one.stored.at)) {
      PEBBLES_TRY_VOID(strip(step, writes, same, first));
    } else {
      writes.remove(same);
    }
  }
  PEBBLES_TRY_VOID(execute(writes));
  const bool is_done = std::cmp_less(covered.size(), PruneStep::page_max);
  Writes note{step.events(), nullptr};
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

/// A page of what is behind a baseline, up to its version, and is of that kind.
Result<bool> remove_behind(const PruneStep& step, const LogBeginning& first, const Bson& which) {
  const auto& stream = first.stored.stream;
  Bson range, filter = stream_filter(stream), index, fields, options;
  range.document("$gte", chunk_id(stream, 2)).document("$lte", chunk_id(stream, first.stored.cut->version));
  filter.document("_id", range);
  bson_concat(filter.get(), which.get());
  index.small("_id", 1);
  for (const std::string_view name : {"_id", "format", "n", "at"}) fields.small(name, 1);
  options.document("hint", index).document("projection", fields).integer("limit", PruneStep::page_max);
  Writes writes{step.events(), nullptr};
  std::int64_t count = 0;
  PEBBLES_TRY_VOID(find(step.events(), filter, options, [&](const bson_t* document) {
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
  return count < PruneStep::page_max;
}

}  // namespace

Result<bool> clear_due(const PruneStep& step) {
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
    } else if (step.is_over()) {
      more = true;
    } else {
      PEBBLES_TRY(is_done, clear(step, one));
      more = more || !is_done;
    }
  }
  PEBBLES_TRY_VOID(execute(writes));
  return more;
}

Result<bool> remove_covered(const PruneStep& step, const LogBeginning& first) { return remove_behind(step, first, {}); }

Result<bool> remove_stripped(const PruneStep& step, const LogBeginning& first) {
  Bson rest, none;
  none.boolean("$exists", false);
  rest.small("n", 0).document("due", none);
  return remove_behind(step, first, rest);
}

}  // namespace pebbles::store::mongo
