#include "store/list_query.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace pebbles::store {
namespace {

/// An id is drawn when its first update arrives, which may wait before it is counted.
constexpr std::chrono::minutes id_ahead_max{60};

bool has_status(ListStatus status, Timestamp stalled_before, const ListFacts& facts) {
  switch (status) {
    case ListStatus::running: return !facts.completed;
    case ListStatus::completed: return facts.completed;
    case ListStatus::with_errors: return facts.has_errors;
    case ListStatus::with_warnings: return facts.has_warnings;
    case ListStatus::stalled: return !facts.completed && facts.updated_at < stalled_before;
  }
  std::unreachable();
}

/// The last code point of a text: where it begins, and its number.
std::pair<std::size_t, char32_t> last_code_point(std::string_view text) {
  std::size_t begin = text.size() - 1;
  const auto continues = [&] { return (static_cast<std::uint8_t>(text[begin]) & 0xc0U) == 0x80; };
  while (begin > 0 && continues()) --begin;
  const auto size = text.size() - begin;
  char32_t out = static_cast<std::uint8_t>(text[begin]) & (size == 1 ? 0x7fU : 0xffU >> (size + 1));
  for (std::size_t i = begin + 1; i < text.size(); ++i) out = out << 6U | (static_cast<std::uint8_t>(text[i]) & 0x3fU);
  return {begin, out};
}

void append_code_point(std::string& out, char32_t point) {
  const auto add = [&](char32_t byte) { out += static_cast<char>(byte); };
  const auto add_rest = [&](unsigned shift) { add(0x80U | (point >> shift & 0x3fU)); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xc0U | point >> 6U);
  } else if (point < 0x10000) {
    add(0xe0U | point >> 12U);
    add_rest(6);
  } else {
    add(0xf0U | point >> 18U);
    add_rest(12);
    add_rest(6);
  }
  add_rest(0);
}

}  // namespace

bool ListQuery::is_filtered() const {
  const bool by_names = !filename_prefix.empty() && sort.by != ListOrder::filename;
  const bool by_owner = owner && sort.by != ListOrder::updated;
  const bool by_update = updated_after && sort.by != ListOrder::updated;
  return status || by_names || by_owner || created_after || by_update;
}

ListFacts facts_of(const Snapshot& snapshot) {
  const auto& progress = snapshot.progress;
  return {.filename = *snapshot.stream.filename,
          .owner = *progress.owner,
          .completed = progress.completed,
          .has_errors = progress.has_errors(),
          .has_warnings = progress.has_warnings(),
          .created_at = progress.created_at,
          .updated_at = progress.updated_at};
}

bool matches(const ListQuery& query, const ListFacts& facts) {
  if (query.owner && facts.owner != **query.owner) return false;
  if (query.status && !has_status(*query.status, query.stalled_before, facts)) return false;
  if (!facts.filename.starts_with(query.filename_prefix)) return false;
  if (query.created_after && facts.created_at <= *query.created_after) return false;
  return !query.updated_after || facts.updated_at > *query.updated_after;
}

ListPosition position_of(ListOrder order, const Snapshot& snapshot) {
  const auto& progress = snapshot.progress;
  switch (order) {
    case ListOrder::updated: return {.updated_at = progress.updated_at, .id = progress.id};
    case ListOrder::created: return {.updated_at = {}, .id = progress.id};
    case ListOrder::filename: return {.updated_at = {}, .id = progress.id, .filename = snapshot.stream.filename};
  }
  std::unreachable();
}

std::weak_ordering compare(ListOrder order, const ListPosition& a, const ListPosition& b) {
  switch (order) {
    case ListOrder::updated: return std::tie(a.updated_at, a.id) <=> std::tie(b.updated_at, b.id);
    case ListOrder::created: return a.id <=> b.id;
    // The earlier service could leave two owners of one file: ids break that tie.
    case ListOrder::filename: return std::tie(a.filename, a.id) <=> std::tie(b.filename, b.id);
  }
  std::unreachable();
}

bool stands_before(const ListSort& sort, const ListPosition& a, const ListPosition& b) {
  return sort.descending ? compare(sort.by, a, b) > 0 : compare(sort.by, a, b) < 0;
}

ListPage make_page(const ListQuery& query, std::vector<SnapshotPtr> found, std::optional<ListPosition> end) {
  const auto& sort = query.sort;
  const auto key = [](const Snapshot& snapshot) {
    return std::tie(snapshot.progress.updated_at, snapshot.progress.id);
  };
  const auto name = [](const Snapshot& snapshot) { return std::tie(snapshot.stream.filename, snapshot.progress.id); };
  const auto less = [&](const SnapshotPtr& a, const SnapshotPtr& b) {
    const auto& [first, second] = sort.descending ? std::tie(*b, *a) : std::tie(*a, *b);
    switch (sort.by) {
      case ListOrder::updated: return key(first) < key(second);
      case ListOrder::created: return first.progress.id < second.progress.id;
      case ListOrder::filename: return name(first) < name(second);
    }
    std::unreachable();
  };
  auto shown = std::min(found.size(), query.limit);
  std::ranges::partial_sort(found, found.begin() + static_cast<std::ptrdiff_t>(shown), less);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < shown && bytes < query.bytes_max; ++i) {
    bytes += bytes_of(*found[i]);
    if (bytes >= query.bytes_max) shown = i + 1;
  }
  ListPage page{.records = {}, .next = std::move(end)};
  if (shown < found.size()) page.next = position_of(sort.by, *found[shown - 1]);
  found.resize(shown);
  page.records = std::move(found);
  return page;
}

std::optional<Timestamp> updated_floor(const ListQuery& query) {
  return std::max(query.created_after, query.updated_after);
}

std::optional<domain::FileId> id_floor(const ListQuery& query) {
  if (!query.created_after) return std::nullopt;
  const auto from = std::chrono::floor<std::chrono::seconds>(*query.created_after - id_ahead_max);
  const auto seconds = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(from.time_since_epoch().count(), 0, std::numeric_limits<std::uint32_t>::max()));
  domain::FileId out{};
  for (unsigned i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(seconds >> (24U - 8U * i));
  return out;
}

std::optional<std::string> prefix_end(std::string_view prefix) {
  while (!prefix.empty()) {
    const auto [begin, point] = last_code_point(prefix);
    std::string out{prefix.substr(0, begin)};
    constexpr char32_t before_surrogates = 0xd7ff, behind_surrogates = 0xe000, last = 0x10ffff;
    if (point != last) {
      append_code_point(out, point == before_surrogates ? behind_surrogates : point + 1);
      return out;
    }
    prefix.remove_suffix(prefix.size() - begin);
  }
  return std::nullopt;
}

}  // namespace pebbles::store
