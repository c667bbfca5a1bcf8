#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "contract/deleting_contract.hpp"
#include "contract/event_store_contract.hpp"
#include "contract/finding_contract.hpp"
#include "contract/pruner_contract.hpp"
#include "store/sqlite/connection.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "support/events.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::contract {
namespace {

/// When snapshots and indexes follow the log: that must not show.
enum class Upkeep { never, after_each_commit, at_once };

class SqliteFixture final : public StoreFixture {
 public:
  explicit SqliteFixture(Upkeep upkeep) : upkeep_{upkeep} {
    static const bool silent = telemetry::start_log("off", telemetry::LogFormat::text);
    (void)silent;
    std::string folder = std::filesystem::temp_directory_path() / "pebbles-contract-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    folder_ = folder;
    reopen();
  }
  ~SqliteFixture() override {
    writer_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  store::EventStore& store() override { return *writer_; }
  store::ProgressReader& reader() override { return store_->reader(); }
  [[nodiscard]] std::string path() const { return folder_ / "pebbles.db"; }
  void reopen() override {
    writer_.reset();
    store_.reset();
    auto options = this->options();
    if (upkeep_ == Upkeep::at_once) {
      options.recent_rows_max = 4;
      options.recent_bytes_max = 2000;
      options.checkpoint_pages = 10;
    }
    auto opened = store::SqliteStore::open(options);
    if (!opened) throw std::runtime_error{opened.error().detail};
    store_ = *std::move(opened);
    writer_ = store_->writer();
    // The lane that does what the pruner wants, on this thread.
    store_->on_upkeep([this] { writer_->maintain(store::Load::pause); });
  }
  Result<store::Pruned> prune(const std::function<Result<store::Pruned>(store::Pruner&)>& step) override {
    while (writer_->maintain(store::Load::idle)) {  // what is in memory still is left for another time
    }
    return step(store_->pruner());
  }
  Result<store::VerifyReport> verify() override { return store::verify_sqlite(options(), {}); }
  Result<store::RebuildReport> rebuild() override {
    writer_.reset();
    store_.reset();
    auto done = store::rebuild_sqlite(options(), {});
    reopen();
    return done;
  }
  bool lists_tables_alone() const override { return upkeep_ == Upkeep::after_each_commit; }
  void after_commit() override {
    if (upkeep_ == Upkeep::never) return;
    writer_->maintain(store::Load::pause);
    for (int i = 0; i < 1000 && upkeep_ == Upkeep::after_each_commit && writer_->maintain(store::Load::idle); ++i) {
    }
  }

 private:
  [[nodiscard]] store::SqliteOptions options() const {
    store::SqliteOptions out;
    out.path = path();
    out.durable = false;  // no power cut here, and the tests are many
    return out;
  }

  Upkeep upkeep_;
  std::filesystem::path folder_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<store::EventStore> writer_;
};

const auto sqlite_implementations = testing::Values(
    Implementation{"snapshots_behind", [] { return std::make_unique<SqliteFixture>(Upkeep::never); }},
    Implementation{"snapshots_up_to_date", [] { return std::make_unique<SqliteFixture>(Upkeep::after_each_commit); }},
    Implementation{"tiny_bounds", [] { return std::make_unique<SqliteFixture>(Upkeep::at_once); }});

INSTANTIATE_TEST_SUITE_P(Sqlite, EventStoreContract, sqlite_implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, ProgressReaderContract, sqlite_implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, DeletingContract, sqlite_implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, PrunerContract, sqlite_implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, FindingContract, sqlite_implementations, name_of);

/// More than one read looks at.
TEST(SqliteStore, APrunerPassesOverAnyNumberOfWhatIsNotMeant) {
  constexpr int files = 4'500;
  SqliteFixture fixture{Upkeep::never};
  const auto add = [&](int from, int to) {
    std::vector<store::Append> batch;
    for (int i = from; i < to; ++i) {
      const auto* const client = i % 100 == 99 ? "krn:b" : "krn:a";
      batch.push_back(support::append_to(support::stream_id(client, std::to_string(i)), nullptr, {{.is_last = true}}));
    }
    for (const auto outcome : fixture.store().commit(batch)) ASSERT_EQ(outcome, store::AppendOutcome::stored);
  };
  const auto cut = [&] {
    store::Pruned out;
    for (auto more = true; more;) {
      const auto done = fixture.prune([](store::Pruner& pruner) {
        return pruner.cut_logs({}, pruner.now().value() + std::chrono::hours{1}, false);
      });
      EXPECT_TRUE(done);
      if (!done) break;
      out += *done;
      more = done->more;
    }
    return out;
  };
  add(0, files);
  EXPECT_EQ(cut().logs, files);
  EXPECT_EQ(cut().logs, 0);
  add(files, files + 1);
  EXPECT_EQ(cut().logs, 1);

  std::size_t completed = 0;
  const auto all = fixture.prune([&](store::Pruner& pruner) -> Result<store::Pruned> {
    std::optional<store::CompletedPosition> after;
    for (;;) {
      PEBBLES_TRY(page, pruner.completed({.but = {domain::ClientKrn{"krn:a"}}}, pruner.now().value(), after, 10));
      if (page.empty()) return store::Pruned{};
      completed += page.size();
      after = page.back().position;
    }
  });
  EXPECT_TRUE(all);
  EXPECT_EQ(completed, files / 100);
}

/// More than one step looks at.
TEST(SqliteStore, AnyNumberOfDamagedGravesDoNotKeepOthersFromBeingBuried) {
  constexpr int damaged = 250;
  SqliteFixture fixture{Upkeep::never};
  std::vector<store::Append> births, deaths;
  for (int i = 0; i < damaged + 5; ++i) {
    const auto& born =
        births.emplace_back(support::append_to(support::stream_id("krn:a", std::to_string(i)), nullptr, {{}}));
    deaths.push_back(support::append_to(born.after->stream, born.after, {{.deletes = true}}));
  }
  for (const auto& batch : {births, deaths})
    for (const auto outcome : fixture.store().commit(batch)) ASSERT_EQ(outcome, store::AppendOutcome::stored);
  while (fixture.store().maintain(store::Load::idle)) {
  }
  const store::sqlite::Connection other{fixture.path(), "", store::sqlite::Access::read_write};
  other.execute(
      "UPDATE progress_events SET events='{' WHERE seq IN (SELECT c.seq FROM stream_chunks c JOIN streams s "
      "USING(stream) WHERE CAST(s.filename AS INTEGER)<" +
      std::to_string(damaged) + ")");
  const auto bury = [&] {
    std::int64_t out = 0;
    for (auto more = true; more;) {
      const auto done = fixture.prune([](store::Pruner& pruner) { return pruner.bury(Timestamp{}, false); });
      EXPECT_TRUE(done);
      if (!done) break;
      out += done->events;  // a log counts again where a step ended within it
      more = done->more;
    }
    return out;
  };
  EXPECT_EQ(bury(), 10);
  EXPECT_EQ(bury(), 0);
}

/// As a reader of the store does for a moment when it meets a header that is being written.
TEST(SqliteStore, ACommitWaitsForAReaderThatHoldsTheWriteLock) {
  SqliteFixture fixture{Upkeep::never};
  const auto stream = support::stream_id("krn:acme", "a.csv");
  const auto first = support::append_to(stream, nullptr, {{}});
  ASSERT_EQ(fixture.store().commit(std::span{&first, 1}).front(), store::AppendOutcome::stored);
  const store::sqlite::Connection other{fixture.path(), "", store::sqlite::Access::read_write};
  other.execute("BEGIN IMMEDIATE");
  std::jthread lets_go{[&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    other.execute("ROLLBACK");
  }};
  const auto second = support::append_to(stream, first.after, {{}});
  EXPECT_EQ(fixture.store().commit(std::span{&second, 1}).front(), store::AppendOutcome::stored);
}

}  // namespace
}  // namespace pebbles::contract
