#pragma once
#include <algorithm>
#include <iterator>
#include <map>

#include "contract/progress_reader_contract.hpp"

namespace pebbles::contract {

inline const domain::ClientKrn acme{"krn:acme"};

inline std::vector<std::string> names_of(const std::vector<store::SnapshotPtr>& records) {
  std::vector<std::string> names;
  for (const auto& record : records) names.push_back(*record->stream.filename);
  return names;
}

/// An id as servers draw them: it begins with the second.
inline domain::FileId id_at(Timestamp time, std::uint32_t number) {
  domain::FileId out{};
  const auto second = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  for (unsigned i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(second >> (24U - 8U * i));
  for (unsigned i = 0; i < 4; ++i) out[8 + i] = static_cast<std::uint8_t>(number >> (24U - 8U * i));
  return out;
}

/// What lists find and what summaries count: the same on every store, and what the plain rules say.
class FindingContract : public StoreTest {
 protected:
  /// What a summary counts by is the time: files are updated about now.
  const Timestamp t0 = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());

  store::SnapshotPtr make(const std::string& name, Told told, const std::string& client = "krn:acme") {
    told.id = id_at(told.at, ++numbers);
    return states[client + "/" + name] = tell(support::stream_id(client, name), nullptr, {told});
  }
  store::SnapshotPtr go_on(const std::string& name, Told told) {
    auto& state = states["krn:acme/" + name];
    told.by = *state->progress.owner;
    return state = tell(state->stream, state, {told});
  }

  std::vector<std::string> found(const store::ListQuery& query) {
    const auto page = fixture->reader().list(acme, query);
    EXPECT_TRUE(page) << (page ? "" : page.error().detail);
    return page ? names_of(page->records) : std::vector<std::string>{};
  }

  /// All pages of a list; each examines no more than it may.
  std::vector<std::string> walk(store::ListQuery query) {
    std::vector<std::string> out;
    std::optional<store::ListPosition> before;
    for (int pages = 0; pages < 1000; ++pages) {
      const auto page = fixture->reader().list(acme, query);
      EXPECT_TRUE(page) << (page ? "" : page.error().detail);
      if (!page) break;
      EXPECT_LE(page->records.size(), query.limit);
      std::ranges::move(names_of(page->records), std::back_inserter(out));
      if (!page->next) return out;
      EXPECT_TRUE(!before || stands_before(query.sort, *before, *page->next)) << "a walk has to come to an end";
      if (!page->records.empty()) {
        const auto last = position_of(query.sort.by, *page->records.back());
        EXPECT_FALSE(stands_before(query.sort, *page->next, last));
      }
      before = query.after = page->next;
    }
    ADD_FAILURE() << "a walk did not end";
    return out;
  }

  /// By the plain rules, of what was told.
  std::vector<std::string> expected(const store::ListQuery& query, const domain::ClientKrn& client = acme) {
    std::vector<store::SnapshotPtr> out;
    for (const auto& [name, state] : states)
      if (state->stream.client == client && matches(query, facts_of(*state))) out.push_back(state);
    std::ranges::sort(out, [&](const auto& a, const auto& b) {
      return stands_before(query.sort, position_of(query.sort.by, *a), position_of(query.sort.by, *b));
    });
    return names_of(out);
  }
  store::ClientSummary expected_summary(const domain::ClientKrn& client, Timestamp stalled_before) {
    const auto count = [&](store::ListStatus status) {
      return static_cast<std::int64_t>(
          expected({.limit = 1, .status = status, .stalled_before = stalled_before}, client).size());
    };
    return {.running = count(store::ListStatus::running),
            .completed = count(store::ListStatus::completed),
            .with_errors = count(store::ListStatus::with_errors),
            .with_warnings = count(store::ListStatus::with_warnings),
            .stalled = count(store::ListStatus::stalled)};
  }
  void expect_summary(Timestamp stalled_before) {
    for (const auto* client : {"krn:acme", "krn:acme2", "krn:nobody"}) {
      const auto summary = fixture->reader().summary(domain::ClientKrn{client}, stalled_before);
      ASSERT_TRUE(summary) << summary.error().detail;
      EXPECT_EQ(*summary, expected_summary(domain::ClientKrn{client}, stalled_before)) << client;
    }
  }

  std::map<std::string, store::SnapshotPtr> states;
  std::uint32_t numbers = 0;
};

}  // namespace pebbles::contract
