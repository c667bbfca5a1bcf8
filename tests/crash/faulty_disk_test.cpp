#include <fmt/core.h>
#include <gtest/gtest.h>

#include "crash/crash_vfs.hpp"
#include "crash/folder.hpp"
#include "domain/progress.hpp"
#include "store/log_format.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::crash {
namespace {

using store::AppendOutcome;
using Call = CrashVfs::Call;

const domain::StreamId stream{domain::ClientKrn{"krn:client:1"}, domain::Filename{"orders.csv"}};

/// A chunk with one event that counts `done`, and a message long enough to need pages of its own.
store::Append append_to(store::SnapshotPtr before, std::int64_t done, std::size_t message_bytes = 9000) {
  store::Append append{.before = before, .chunk = {}, .text = {}, .after = {}};
  auto after = before ? std::make_shared<store::Snapshot>(*before) : std::make_shared<store::Snapshot>();
  after->stream = stream;
  const domain::Report report{
      .by = domain::Email{"ann@example.com"},
      .channel = domain::Channel::rest,
      .at = Timestamp{std::chrono::milliseconds{1'700'000'000'000}},
      .what = {.counts = {.done = done},
               .total = {},
               .is_last = false,
               .errors = domain::ItemList{{{.line = 1, .message = std::string(message_bytes, 'x')}}},
               .warnings = {}},
      .key = {},
      .position = {},
      .id_if_new = {1}};
  auto decision = decide(before ? before->progress : domain::Progress{}, report, nullptr);
  auto& event = std::get<domain::Accepted>(decision).event;
  after->progress = evolve(std::move(after->progress), event);
  append.chunk = {.first = event.version,
                  .events = {event},
                  .prev = before ? before->head : store::ChunkRef{},
                  .hash = {},
                  .token = {.writer = 1, .sequence = static_cast<std::uint64_t>(event.version)}};
  append.text = store::encode_events(append.chunk.events);
  append.chunk.hash = store::hash_chunk(stream, append.chunk.first, 1, append.chunk.prev, append.text);
  after->head = {.first = append.chunk.first, .hash = append.chunk.hash};
  append.after = std::move(after);
  return append;
}

class FaultyDisk : public testing::Test {
 protected:
  FaultyDisk() {
    GTEST_FLAG_SET(death_test_style, "fast");  // one thread, and nothing of SQLite's is open before the fork
    (void)telemetry::start_log("off", telemetry::LogFormat::text);
  }
  ~FaultyDisk() override { close(); }

  store::EventStore& open() {
    auto opened = store::SqliteStore::open(
        {.path = path(), .vfs = vfs_.name(), .readers = 1, .recent_rows_max = 8, .checkpoint_pages = 10});
    if (!opened) throw std::runtime_error{opened.error().detail};
    store_ = *std::move(opened);
    writer_ = store_->writer();
    return *writer_;
  }
  void close() {
    writer_.reset();
    store_.reset();
  }
  std::string path() { return folder_.file("pebbles.db"); }
  store::ProgressReader& reader() { return store_->reader(); }

  AppendOutcome commit(const store::Append& append) { return writer_->commit({&append, 1}).front(); }
  store::SnapshotPtr loaded() {
    const auto answer = writer_->load({&stream, 1}, store::LoadMode::snapshot_only);
    return answer ? answer->front().snapshot : nullptr;
  }
  /// What everything that shows says of the stream's sum and version.
  void expect_everywhere(std::int64_t done, domain::Version version) {
    const auto shown = reader().by_filename(stream);
    ASSERT_TRUE(shown);
    EXPECT_EQ(*shown ? (*shown)->progress.counts.done : 0, done);
    EXPECT_EQ(*shown ? (*shown)->progress.version : 0, version);
    EXPECT_EQ(reader().events(stream, 0, {.events = 1000}).value().events.size(), static_cast<std::size_t>(version));
    EXPECT_EQ(reader().tail(0, 1000).value().entries.size(), static_cast<std::size_t>(version));
    EXPECT_EQ(reader().list(stream.client, {.owner = {}, .after = {}, .limit = 10}).value().records.size(),
              version > 0 ? 1U : 0U);
    const auto state = loaded();
    EXPECT_EQ(state ? state->progress.version : 0, version);
  }

  Folder folder_;
  CrashVfs vfs_{4096};
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<store::EventStore> writer_;
};

constexpr int exit_code_of_fatal = 70;

TEST_F(FaultyDisk, FailedSyncOfACommitEndsTheProcess) {
  const auto work = [&] {
    open();
    vfs_.fail(Call::sync, 1, SQLITE_IOERR_FSYNC);
    (void)commit(append_to(nullptr, 1));
  };
  EXPECT_EXIT(work(), testing::ExitedWithCode(exit_code_of_fatal), "could not be synced");
}

TEST_F(FaultyDisk, FailedSyncOfACheckpointEndsTheProcess) {
  for (const auto* file : {"-wal", ".db"}) {
    const auto work = [&] {
      open();
      (void)commit(append_to(loaded(), 1, 100'000));  // more pages than a checkpoint waits for
      vfs_.fail(Call::sync, 1, SQLITE_IOERR_FSYNC, file);
      writer_->maintain(store::Load::pause);
    };
    EXPECT_EXIT(work(), testing::ExitedWithCode(exit_code_of_fatal), "could not be synced") << file;
  }
}

TEST_F(FaultyDisk, FailedSyncWhileClosingEndsTheProcess) {
  const auto work = [&] {
    open();
    (void)commit(append_to(nullptr, 1));
    vfs_.fail(Call::sync, 1, SQLITE_IOERR_FSYNC);
    close();
  };
  EXPECT_EXIT(work(), testing::ExitedWithCode(exit_code_of_fatal), "could not be synced");
}

/// The disk is full at each write of a commit in turn.
TEST_F(FaultyDisk, FullDiskStoresNothingAndShowsNothing) {
  open();
  std::int64_t done = 0;
  domain::Version version = 0;
  int writes = 0;
  for (bool failed = true; failed; ++writes) {
    const auto state = loaded();
    vfs_.fail(Call::write, writes + 1, SQLITE_FULL);
    const auto outcome = commit(append_to(state, 1));
    failed = !vfs_.take_back_failure();
    ASSERT_EQ(outcome, failed ? AppendOutcome::not_stored : AppendOutcome::stored) << "at write " << writes + 1;
    if (!failed) break;
    expect_everywhere(done, version);
    ASSERT_EQ(commit(append_to(state, 100)), AppendOutcome::stored) << "after write " << writes + 1;
    done += 100;
    ++version;
    expect_everywhere(done, version);
  }
  EXPECT_GT(writes, 4);
  expect_everywhere(done + 1, version + 1);
  close();
  open();
  expect_everywhere(done + 1, version + 1);
  close();
  const auto report = store::verify_sqlite({.path = path(), .vfs = {}}, {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->differing, 0);
  EXPECT_EQ(report->events, version + 1);
}

/// The same for what follows the commits: the log holds everything, so nothing may be lost or shown twice.
TEST_F(FaultyDisk, FullDiskDuringUpkeepLosesNothing) {
  open();
  domain::Version version = 0;
  int writes = 0;
  for (bool failed = true; failed && writes < 200; ++writes) {
    for (int i = 0; i < 3; ++i) ASSERT_EQ(commit(append_to(loaded(), 1)), AppendOutcome::stored);
    version += 3;
    vfs_.fail(Call::write, writes + 1, SQLITE_FULL);
    while (writer_->maintain(store::Load::idle)) {
    }
    failed = !vfs_.take_back_failure();
    expect_everywhere(version, version);
    while (writer_->maintain(store::Load::idle)) {  // or each round would have more to do than the one before
    }
    expect_everywhere(version, version);
  }
  EXPECT_GT(writes, 10);
  EXPECT_LT(writes, 200);
  close();
  const auto report = store::verify_sqlite({.path = path(), .vfs = {}}, {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->differing, 0);
  EXPECT_EQ(report->events, version);
}

}  // namespace
}  // namespace pebbles::crash
