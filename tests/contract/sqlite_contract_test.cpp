#include <unistd.h>

#include <algorithm>
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
  void close() {
    writer_.reset();
    store_.reset();
  }
  void reopen() override {
    close();
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
  void deletions_stay(std::chrono::seconds time) {
    deletions_stay_ = time;
    reopen();
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
    out.deletions_stay = deletions_stay_;
    return out;
  }

  Upkeep upkeep_;
  std::chrono::seconds deletions_stay_{};
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

TEST(SqliteStore, AKeyOfCursorsIsNotReplacedWhereItIsWrong) {
  SqliteFixture fixture{Upkeep::never};
  const auto key = fixture.reader().cursor_key().value();
  fixture.close();
  const auto change = [&](const std::string& sql) {
    store::sqlite::Connection{fixture.path(), "", store::sqlite::Access::read_write}.execute(sql);
  };
  for (const auto* wrong :
       {"'0123456789abcdef0123456789abcdef'", "32", "x''", "x'00'", "zeroblob(31)", "zeroblob(33)"}) {
    change(fmt::format("UPDATE secrets SET value={}", wrong));
    const auto opened = store::SqliteStore::open({.path = fixture.path(), .vfs = {}});
    ASSERT_FALSE(opened) << wrong;
    EXPECT_EQ(opened.error().code, Errc::store_corrupt);
    EXPECT_TRUE(opened.error().detail.contains("'cursor_key' of the table secrets")) << opened.error().detail;
    const store::sqlite::Connection other{fixture.path(), "", store::sqlite::Access::read_only};
    EXPECT_EQ(other.integer_of(fmt::format("SELECT count(*) FROM secrets WHERE value={}", wrong)), 1);
  }
  change("DELETE FROM secrets");
  fixture.reopen();
  const auto second = fixture.reader().cursor_key().value();
  EXPECT_NE(second, key);
  fixture.close();
  change("DROP TABLE secrets");  // as in a file of an earlier version
  fixture.reopen();
  EXPECT_NE(fixture.reader().cursor_key().value(), second);
}

TEST(SqliteStore, ABackupHasTheKeyOfCursors) {
  SqliteFixture fixture{Upkeep::never};
  const auto to = fixture.path() + ".copy";
  ASSERT_TRUE(store::backup_sqlite({.path = fixture.path(), .vfs = {}}, to));
  const auto restored = store::SqliteStore::open({.path = to, .vfs = {}}).value();
  EXPECT_EQ(restored->reader().cursor_key().value(), fixture.reader().cursor_key().value());
}

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

/// What files of a hundred days ago left, some of them deleted and buried, some damaged, and what is young.
class SqliteOldLog {
 public:
  enum class Kind : std::uint8_t { live, deleted, damaged, young };

  /// Commits a file of each kind, in that order.
  explicit SqliteOldLog(const std::vector<Kind>& kinds) {
    std::vector<store::Append> births, deaths;
    std::string damaged = "-1";
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const auto at = now - std::chrono::days{kinds[i] == Kind::young ? 1 : 100};
      const auto& born = births.emplace_back(
          support::append_to(support::stream_id("krn:a", std::to_string(i)), nullptr, {{.at = at}}));
      if (kinds[i] == Kind::deleted)
        deaths.push_back(
            support::append_to(born.after->stream, born.after, {{.at = now - std::chrono::days{2}, .deletes = true}}));
      if (kinds[i] == Kind::damaged) damaged += "," + std::to_string(i + 1);
    }
    for (const auto& batch : {births, deaths})
      for (const auto outcome : fixture_.store().commit(batch)) EXPECT_EQ(outcome, store::AppendOutcome::stored);
    all_steps([&](store::Pruner& pruner) { return pruner.bury(now - std::chrono::days{90}, false); });
    const store::sqlite::Connection other{fixture_.path(), "", store::sqlite::Access::read_write};
    other.execute("UPDATE progress_events SET events='{' WHERE seq IN (" + damaged + ")");
  }

  /// What is older than thirty days.
  store::Pruned cut(bool dry_run = false) {
    return all_steps([&](store::Pruner& pruner) { return pruner.cut_logs({}, now - std::chrono::days{30}, dry_run); });
  }

 private:
  store::Pruned all_steps(const std::function<Result<store::Pruned>(store::Pruner&)>& step) {
    store::Pruned out;
    for (auto more = true; more;) {
      const auto done = fixture_.prune(step);
      EXPECT_TRUE(done);
      if (!done) break;
      out += *done;
      more = done->more;
    }
    return out;
  }

  const Timestamp now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  SqliteFixture fixture_{Upkeep::never};
};

/// A baseline has the time of the deletion, and stands where the first event was.
TEST(SqliteStore, WhatWasDeletedOfLateDoesNotMakeOldEventsLookYoung) {
  using Kind = SqliteOldLog::Kind;
  for (const unsigned deleted_of_ten : {2U, 5U, 9U}) {
    SCOPED_TRACE(deleted_of_ten);
    std::vector<Kind> kinds;
    for (unsigned i = 0; i < 100; ++i) kinds.push_back(i * 7 % 10 < deleted_of_ten ? Kind::deleted : Kind::live);
    kinds.insert(kinds.end(), 10, Kind::young);
    SqliteOldLog log{kinds};
    const auto old = 100 - 10 * deleted_of_ten;
    EXPECT_EQ(log.cut(true).events, old);
    EXPECT_EQ(log.cut().events, old);
    EXPECT_EQ(log.cut().events, 0);
  }
}

TEST(SqliteStore, NorDoDamagedChunks) {
  using Kind = SqliteOldLog::Kind;
  std::vector<Kind> kinds;
  for (unsigned i = 0; i < 100; ++i) kinds.push_back(i * 7 % 10 < 3 ? Kind::damaged : Kind::live);
  kinds.insert(kinds.end(), 10, Kind::young);
  SqliteOldLog log{kinds};
  EXPECT_EQ(log.cut().events, 70);
  EXPECT_EQ(log.cut().events, 0);
}

/// More than are looked at in all places of one look.
TEST(SqliteStore, NorDoesAnyNumberOfBaselinesInARow) {
  using Kind = SqliteOldLog::Kind;
  constexpr std::size_t many = 1000;
  for (const auto place : {Kind::live, Kind::young}) {
    for (const std::size_t few : {0U, 7U, 40U, 2000U}) {
      SCOPED_TRACE(few);
      std::vector<Kind> kinds(few, Kind::live);
      kinds.insert(kinds.end(), place == Kind::young ? few : 0, Kind::young);
      kinds.insert(kinds.end(), many, Kind::deleted);
      kinds.insert(kinds.end(), 20, place);
      kinds.insert(kinds.end(), 10, Kind::young);
      const auto old = std::ranges::count(kinds, Kind::live);
      SqliteOldLog log{kinds};
      EXPECT_EQ(log.cut(true).events, old);
      EXPECT_EQ(log.cut().events, old);
      EXPECT_EQ(log.cut().events, 0);
    }
  }
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

/// Their times are set back, as if days had passed.
TEST(SqliteStore, KeysOfADeletedFileStayAsLongAsItsTombstone) {
  SqliteFixture fixture{Upkeep::never};
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto gone = support::stream_id("krn:a", "gone.csv");    // deleted
  const auto again = support::stream_id("krn:a", "again.csv");  // deleted, and begun anew
  const auto live = support::stream_id("krn:a", "live.csv");    // an old event, cut
  const auto tell = [&](const store::StreamId& stream, const store::SnapshotPtr& before, const support::Told& told) {
    const auto append = support::append_to(stream, before, {told});
    EXPECT_EQ(fixture.store().commit(std::span{&append, 1}).front(), store::AppendOutcome::stored);
    return append.after;
  };
  const auto is_known = [&](const store::StreamId& stream, const char* key) {
    const store::KeyQuery query{.stream = stream, .hash = support::key_hash(key)};
    return fixture.store().find_keys(std::span{&query, 1}).value().front().has_value();
  };
  const auto all_steps = [&](const std::function<Result<store::Pruned>(store::Pruner&)>& step) {
    for (auto more = true; more;) {
      const auto done = fixture.prune(step);
      more = done && done->more;
      EXPECT_TRUE(done);
    }
  };
  const auto bury = [&](std::chrono::days tombstones_stay) {
    all_steps([&](store::Pruner& pruner) { return pruner.bury(now - tombstones_stay, false); });
  };
  constexpr int many = 250;  // more than are looked at at once
  for (const auto& stream : {gone, again, live}) {
    auto state = tell(stream, nullptr, {.at = now, .key = "p:0"});
    for (int i = 1; i < many; ++i) state = tell(stream, state, {.at = now, .key = "p:" + std::to_string(i)});
    if (stream != live) state = tell(stream, state, {.at = now, .deletes = true});
    if (stream == again) tell(stream, state, {.at = now, .key = "p:new"});
  }
  bury(std::chrono::days{90});
  all_steps([&](store::Pruner& pruner) { return pruner.cut_logs({}, now + std::chrono::hours{1}, false); });
  const store::sqlite::Connection other{fixture.path(), "", store::sqlite::Access::read_write};
  const auto days_pass = [&](int days) {
    const auto milliseconds = std::to_string(days * 86'400'000LL);
    other.execute("UPDATE kept_keys SET at=at-" + milliseconds + " WHERE at<" + std::to_string(INT64_MAX));
    other.execute("UPDATE tombstones SET deleted_at=deleted_at-" + milliseconds);
  };
  days_pass(14);
  bury(std::chrono::days{90});
  for (const auto& stream : {gone, again, live}) EXPECT_TRUE(is_known(stream, "p:7") && is_known(stream, "p:249"));
  days_pass(2);
  bury(std::chrono::days{90});
  for (const auto* key : {"p:7", "p:249"}) {
    EXPECT_TRUE(is_known(gone, key));
    EXPECT_TRUE(is_known(again, key));
    EXPECT_FALSE(is_known(live, key));
  }
  EXPECT_FALSE(is_known(again, "p:new"));  // of a life that is not over, and older than 15 days
  days_pass(74);
  bury(std::chrono::days{90});
  EXPECT_TRUE(is_known(gone, "p:7"));
  days_pass(1);
  bury(std::chrono::days{90});
  for (const auto* key : {"p:7", "p:249"}) {
    EXPECT_FALSE(is_known(gone, key));
    EXPECT_FALSE(is_known(again, key));
  }
  EXPECT_EQ(other.integer_of("SELECT count(*) FROM kept_keys"), 0);
  const auto report = fixture.verify();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->differing, 0);
}

/// The one event of a deletion is there for whoever follows the feed.
TEST(SqliteStore, ADeletionIsNotBuriedAtOnce) {
  SqliteFixture fixture{Upkeep::never};
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto minutes = [&](int count) { return now - std::chrono::minutes{count}; };
  fixture.deletions_stay(store::deletions_stay);
  for (const auto& [name, minute] : {std::pair{"young.csv", 50}, {"old.csv", 70}}) {
    const auto born = support::append_to(support::stream_id("krn:a", name), nullptr, {{.at = minutes(80)}});
    const auto dead = support::append_to(born.after->stream, born.after, {{.at = minutes(minute), .deletes = true}});
    for (const auto& append : {born, dead})
      EXPECT_EQ(fixture.store().commit(std::span{&append, 1}).front(), store::AppendOutcome::stored);
  }
  for (const auto dry_run : {true, false}) {
    const auto done = fixture.prune([&](store::Pruner& pruner) { return pruner.bury(minutes(90), dry_run); });
    ASSERT_TRUE(done);
    EXPECT_EQ(done->events, 2);
    EXPECT_EQ(done->logs, 1);
  }
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
