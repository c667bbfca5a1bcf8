#include "domain/progress.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace pebbles::domain {
namespace {

std::size_t text_bytes(const ItemList& items) {
  std::size_t bytes = 0;
  for (const auto& item : items) bytes += item.text_bytes();
  return bytes;
}

void remember(std::vector<LogPosition>& positions, const LogPosition& position) {
  std::erase_if(positions, [&](const LogPosition& known) { return known.same_partition(position); });
  if (positions.size() == positions_max) positions.erase(positions.begin());
  positions.push_back(position);
}

void apply(Progress& now, const ProgressEvent& event, const Reported& reported) {
  now.counts.done += reported.counts.done;
  now.counts.warn += reported.counts.warn;
  now.counts.failed += reported.counts.failed;
  if (reported.total) now.total = reported.total;
  now.errors.add(reported.errors);
  now.warnings.add(reported.warnings);
  if (reported.is_last) {
    now.completed = true;
    now.completed_at = event.at;
  }
}

void apply(Progress& now, const ProgressEvent& event, const Deleted& deleted) {
  Progress gone;
  gone.id = event.id.value_or(now.id);
  gone.positions = deleted.positions;
  now = std::move(gone);
}

void apply(Progress& now, const ProgressEvent&, const Baseline& baseline) { now = *baseline.state; }

void apply(Progress& now, const ProgressEvent& event, const Adopted& adopted) {
  apply(now, event, adopted.state);
  now.created_at = adopted.created_at;
  now.errors.count = adopted.error_count;
  now.warnings.count = adopted.warning_count;
}

}  // namespace

bool operator==(const Baseline& a, const Baseline& b) {
  return *a.state == *b.state && a.head == b.head && a.head_hash == b.head_hash;
}

Reported reported_in(const ProgressEvent& event) {
  struct Find {
    Reported operator()(const Reported& reported) const { return reported; }
    Reported operator()(const Adopted& adopted) const { return adopted.state; }
    Reported operator()(const Deleted&) const { return {}; }
    Reported operator()(const Baseline& baseline) const {
      const auto& state = *baseline.state;
      return {.counts = state.counts,
              .total = state.total,
              .is_last = state.completed,
              .errors = state.errors.first,
              .warnings = state.warnings.first};
    }
  };
  return std::visit(Find{}, event.what);
}

void KeptItems::add(const ItemList& items) {
  if (items.empty()) return;
  const bool open = std::cmp_equal(first.size(), count);
  count += static_cast<std::int64_t>(items.size());
  if (!open || first.size() == kept_items_max) return;

  std::size_t bytes = text_bytes(first);
  std::size_t fitting = 0;
  for (const auto& item : items) {
    bytes += item.text_bytes();
    if (first.size() + fitting == kept_items_max || bytes > kept_bytes_max) break;
    ++fitting;
  }
  if (fitting == 0) return;
  if (first.empty() && fitting == items.size()) {
    first = items;
    return;
  }
  std::vector<Item> kept;
  kept.reserve(first.size() + fitting);
  kept.insert(kept.end(), first.begin(), first.end());
  kept.insert(kept.end(), items.begin(), items.begin() + fitting);
  first = ItemList{std::move(kept)};
}

ProgressEvent adopt(const Progress& now) {
  PEBBLES_ASSERT(now.is_before_log(), "only a file without events is adopted");
  return {.version = 1,
          .id = now.id,
          .at = now.updated_at,
          .by = now.owner,
          .channel = Channel::rest,
          .key = std::nullopt,
          .position = std::nullopt,
          .what = Adopted{.state = {.counts = now.counts,
                                    .total = now.total,
                                    .is_last = now.completed,
                                    .errors = now.errors.first,
                                    .warnings = now.warnings.first},
                          .created_at = now.created_at,
                          .error_count = now.errors.count,
                          .warning_count = now.warnings.count}};
}

Progress evolve(Progress now, const ProgressEvent& event) {
  PEBBLES_ASSERT(event.version == now.version + 1 || (now.version == 0 && event.may_begin_log()),
                 "an event was folded out of order");
  if (event.is_birth()) {
    // A life begins: of what was there before, its first event says all that goes on.
    Progress born;
    born.positions = std::move(now.positions);
    now = std::move(born);
    now.born = event.version;
    now.id = *event.id;
    now.owner = event.by;
    now.created_at = event.at;
  }
  std::visit([&](const auto& what) { apply(now, event, what); }, event.what);
  now.version = event.version;
  now.updated_at = event.at;
  if (event.position) remember(now.positions, *event.position);
  return now;
}

}  // namespace pebbles::domain
