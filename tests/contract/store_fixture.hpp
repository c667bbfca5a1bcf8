#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "store/event_store.hpp"
#include "store/maintenance.hpp"
#include "store/progress_reader.hpp"
#include "store/pruner.hpp"
#include "store/store.hpp"
#include "support/events.hpp"

namespace pebbles::contract {

/// What a suite needs of an implementation. A fixture begins empty.
class StoreFixture {
 public:
  virtual ~StoreFixture() = default;
  /// The lane's side; the same one until `reopen`.
  virtual store::EventStore& store() = 0;
  virtual store::ProgressReader& reader() = 0;
  /// Closes everything and opens it again, as a restart of the process would.
  virtual void reopen() = 0;
  /// Whether two clients may have files of one id. Ids are drawn so that it never happens.
  virtual bool ids_belong_to_clients() const { return true; }
  /// Whether every file is where lists look up no more entries than they may: not in the memory ahead of it.
  virtual bool lists_tables_alone() const { return true; }
  /// Another instance on the same database; null where there can be only one.
  virtual std::unique_ptr<store::Store> open_another() { return nullptr; }
  /// Called after each commit of a suite: upkeep, or none.
  virtual void after_commit() {}
  /// Calls `step` with the store's pruner, where it has one, so that it comes to an end.
  virtual Result<store::Pruned> prune(const std::function<Result<store::Pruned>(store::Pruner&)>& step) {
    (void)step;
    return failure(Errc::internal, "it has no pruner");
  }
  /// Proves the log and compares the snapshots. Called where nothing is under way.
  virtual Result<store::VerifyReport> verify() { return store::VerifyReport{}; }
  virtual Result<store::RebuildReport> rebuild() { return store::RebuildReport{}; }
};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<StoreFixture>()> make;
};

inline void PrintTo(const Implementation& implementation, std::ostream* out) { *out << implementation.name; }

/// Shared by the suites: a store, and short ways to write to it.
class StoreTest : public testing::TestWithParam<Implementation> {
 protected:
  using Told = support::Told;

  std::vector<store::AppendOutcome> commit(const std::vector<store::Append>& batch) {
    auto outcomes = fixture->store().commit(batch);
    EXPECT_EQ(outcomes.size(), batch.size());
    fixture->after_commit();
    return outcomes;
  }
  store::AppendOutcome commit(const store::Append& append) { return commit(std::vector{append}).front(); }

  /// Commits on top of `before`; gives the new state.
  store::SnapshotPtr tell(const store::StreamId& stream, const store::SnapshotPtr& before,
                          const std::vector<Told>& updates) {
    const auto append = support::append_to(stream, before, updates);
    EXPECT_EQ(commit(append), store::AppendOutcome::stored);
    return append.after;
  }

  store::SnapshotPtr load(const store::StreamId& stream, store::LoadMode mode = store::LoadMode::with_log) {
    auto loaded = fixture->store().load(std::span{&stream, 1}, mode);
    if (!loaded || loaded->size() != 1) {
      ADD_FAILURE() << "a load failed";
      return nullptr;
    }
    return support::caught_up(stream, loaded->front());
  }

  std::vector<domain::ProgressEvent> events(const store::StreamId& stream) {
    auto page = fixture->reader().events(stream, 0, {.events = 1'000'000, .bytes = SIZE_MAX});
    EXPECT_TRUE(page && !page->more);
    return page ? std::move(page->events) : std::vector<domain::ProgressEvent>{};
  }

  static void expect_same(const store::SnapshotPtr& actual, const store::SnapshotPtr& expected);

  std::unique_ptr<StoreFixture> fixture = GetParam().make();
};

}  // namespace pebbles::contract
