#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "ingest/ingest.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "stress/ledger.hpp"
#include "support/events.hpp"
#include "telemetry/telemetry.hpp"

/// Everything at once on real threads: what ThreadSanitizer and AddressSanitizer run.
namespace pebbles::stress {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t clients = 3;
constexpr std::size_t hot_files = 3;  ///< one of each client
constexpr std::size_t files = 300;
constexpr std::size_t keys = 1'000'000;

domain::StreamId stream_of(std::size_t file) {
  return support::stream_id(fmt::format("krn:client:{}", file % clients), fmt::format("file-{}.csv", file));
}

/// Half of all updates go to the few hot files.
std::size_t some_file(std::uint64_t random) {
  return random % 2 == 0 ? (random >> 8U) % hot_files : (random >> 8U) % files;
}

/// Twins say the same: all that an update with a key says follows from its number.
support::Told keyed(std::int64_t key) {
  support::Told told;
  told.counts.done = 1 + key % 7;
  told.key = fmt::format("p:{}", key);
  if (key % 11 == 0) told.errors = {{.line = key, .message = std::string(static_cast<std::size_t>(key % 900), 'e')}};
  return told;
}

/// What readers found wrong, each kind once.
class Complaints {
 public:
  void require(bool holds, const char* otherwise) {
    if (holds) return;
    const std::lock_guard lock{mutex_};
    found_.insert(otherwise);
  }
  [[nodiscard]] std::string text() {
    const std::lock_guard lock{mutex_};
    std::string out;
    for (const auto& complaint : found_) out += complaint + "\n";
    return out;
  }

 private:
  std::mutex mutex_;
  std::set<std::string> found_;
};

class Stress : public testing::Test {
 protected:
  Stress() {
    (void)telemetry::start_log("off", telemetry::LogFormat::text);
    std::string name = std::filesystem::temp_directory_path() / "pebbles-stress-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    folder_ = name;
  }
  ~Stress() override { std::filesystem::remove_all(folder_); }

  /// Small bounds: the queue is full, the log is reset and readers wait for a connection, again and again.
  [[nodiscard]] store::SqliteOptions store_options() const {
    return {.path = folder_ / "pebbles.db",
            .vfs = {},
            .durable = false,  // no power cut here
            .readers = 3,
            .recent_rows_max = 2000,
            .recent_bytes_max = 1UL << 20U,
            .checkpoint_pages = 100};
  }
  static ingest::IngestOptions ingest_options() {
    ingest::IngestOptions options;
    options.queue_updates_max = 4000;
    options.batch_updates_max = 700;
    options.cache_bytes_max = 100'000;
    return options;
  }

  /// Producers and readers for a while, a stop in the middle of it, then the sums.
  void live(std::chrono::milliseconds how_long, std::chrono::milliseconds stop_within, bool drains);
  void produce(ingest::Ingest& ingest, std::uint64_t seed);
  bool offer(ingest::Ingest& ingest, std::uint64_t random);
  void read(store::ProgressReader& reader, std::uint64_t seed);
  void read_file(store::ProgressReader& reader, std::size_t file);
  void read_events(store::ProgressReader& reader, std::size_t file);
  void walk_list(store::ProgressReader& reader, std::size_t client);
  bool follow(store::ProgressReader& reader);
  void expect_sums(store::ProgressReader& reader);

  std::filesystem::path folder_;
  Ledger ledger_{files, keys};
  Complaints complaints_;
  std::atomic<bool> ended_{false};
  std::atomic<std::int64_t> next_key_{0};
  // The follower's own: one thread at a time.
  store::TailCursor cursor_ = 0;
  std::map<domain::StreamId, domain::Progress> followed_;
};

void Stress::live(std::chrono::milliseconds how_long, std::chrono::milliseconds stop_within, bool drains) {
  auto store = store::SqliteStore::open(store_options()).value();
  std::vector<std::unique_ptr<store::EventStore>> stores;
  stores.push_back(store->writer());
  ingest::Ingest ingest{std::move(stores), ingest_options()};
  auto& reader = store->reader();
  ended_ = false;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) threads.emplace_back([&, seed] { produce(ingest, seed); });
    for (std::uint64_t seed = 1; seed <= 3; ++seed) threads.emplace_back([&, seed] { read(reader, seed); });
    threads.emplace_back([&] {
      while (!ended_.load())
        if (!follow(reader)) std::this_thread::sleep_for(1ms);
    });
    std::this_thread::sleep_for(how_long);
    const bool drained = ingest.stop(stop_within);
    EXPECT_TRUE(drained || !drains);
    ended_ = true;
  }
  EXPECT_EQ(ledger_.unsettled(), 0) << "stop() has returned, so every update has its outcome";
  EXPECT_EQ(ledger_.doubled.load(), 0);
  EXPECT_EQ(ledger_.unexpected.load(), 0);
  EXPECT_EQ(ledger_.keys_not_applied_once(), 0);
  EXPECT_EQ(complaints_.text(), "");
  while (follow(reader)) {
  }
  EXPECT_EQ(complaints_.text(), "");
  expect_sums(reader);
}

void Stress::produce(ingest::Ingest& ingest, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  while (!ended_.load()) {
    // Full: an honest client waits a moment; not always, so that the queue is also pressed when it has no room.
    if (!offer(ingest, random()) && random() % 16 != 0) std::this_thread::sleep_for(1ms);
  }
}

/// False when there was no room.
bool Stress::offer(ingest::Ingest& ingest, std::uint64_t random) {
  support::Told told;
  std::size_t file = some_file(random);
  std::int64_t key = -1;
  if (random % 3 != 0) {
    // A quarter are twins of what somebody sent a moment ago, and may still be under way.
    key = next_key_.load();
    if (random % 4 == 0)
      key = std::max<std::int64_t>(0, key - static_cast<std::int64_t>((random >> 40U) % 300));
    else
      key = std::min<std::int64_t>(next_key_.fetch_add(1), keys - 1);
    told = keyed(key);
    file = some_file(static_cast<std::uint64_t>(key) * 0x9e3779b97f4a7c15ULL);
  } else if (random % 30 == 0 && ledger_.file(file).answered_version.load() > 0) {
    told.by = "eve@example.com";  // refused: ann has created it
  }
  told.at = support::t0 + std::chrono::milliseconds{next_key_.load() / 50};  // many ties
  const auto stream = stream_of(file);
  auto ack = ledger_.offer(
      {.file = static_cast<std::uint32_t>(file), .done = static_cast<std::int32_t>(told.counts.done), .key = key});
  auto back = ingest.submit({stream, support::report(told, support::file_id(stream)), std::move(ack)});
  if (back) ledger_.took_back(std::move(back->ack));
  return !back;
}

void Stress::read(store::ProgressReader& reader, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  while (!ended_.load()) {
    const auto file = some_file(random());
    switch (random() % 3) {
      case 0: read_file(reader, file); break;
      case 1: read_events(reader, file); break;
      default: walk_list(reader, random() % clients); break;
    }
  }
}

void Stress::read_file(store::ProgressReader& reader, std::size_t file) {
  const auto answered = ledger_.file(file).answered_version.load();
  const auto stream = stream_of(file);
  const auto by_name = reader.by_filename(stream);
  const auto by_id = reader.by_id(stream.client, support::file_id(stream));
  if (!by_name || !by_id) return complaints_.require(false, "a read failed");
  const auto version_of = [](const store::SnapshotPtr& snapshot) { return snapshot ? snapshot->progress.version : 0; };
  complaints_.require(version_of(*by_name) >= answered, "by_filename is older than an answer");
  complaints_.require(version_of(*by_id) >= version_of(*by_name), "by_id went back in time");
}

void Stress::read_events(store::ProgressReader& reader, std::size_t file) {
  const auto answered = ledger_.file(file).answered_version.load();
  const auto after = std::max<domain::Version>(0, answered - 20);
  const auto page = reader.events(stream_of(file), after, {.events = 50});
  if (!page) return complaints_.require(false, "a read failed");
  auto version = after;
  for (const auto& event : page->events) complaints_.require(event.version == ++version, "events have a gap");
  complaints_.require(version >= answered, "events are older than an answer");
}

/// No file twice in one walk, and none missing that nobody touched meanwhile.
void Stress::walk_list(store::ProgressReader& reader, std::size_t client) {
  std::map<domain::StreamId, std::pair<std::size_t, domain::Version>> idle;
  for (auto file = client; file < files; file += clients)
    if (ledger_.file(file).is_idle() && ledger_.file(file).answered_version.load() > 0)
      idle.emplace(stream_of(file), std::pair{file, ledger_.file(file).answered_version.load()});
  std::map<domain::StreamId, domain::Version> seen;
  store::ListQuery query{.owner = {}, .after = {}, .limit = 20};
  if (client == 0) query.owner = domain::Email{"ann@example.com"};
  for (bool more = true; more;) {
    const auto page = reader.list(stream_of(client).client, query);
    if (!page) return complaints_.require(false, "a read failed");
    for (const auto& record : page->records) {
      const auto here = position_of(query.sort.by, *record);
      complaints_.require(!query.after || stands_before(query.sort, *query.after, here), "a list is not in its order");
      complaints_.require(seen.emplace(record->stream, record->progress.version).second, "a file is listed twice");
      query.after = here;
    }
    more = page->next.has_value();
  }
  for (const auto& [stream, known] : idle) {
    const auto& [file, version] = known;
    if (!ledger_.file(file).is_idle() || ledger_.file(file).answered_version.load() != version) continue;
    const auto found = seen.find(stream);
    complaints_.require(found != seen.end(), "a list misses a file");
    complaints_.require(found == seen.end() || found->second >= version, "a list is older than an answer");
  }
}

/// False when there was nothing new.
bool Stress::follow(store::ProgressReader& reader) {
  auto page = reader.tail(cursor_, 200);
  if (!page) return complaints_.require(false, "the tail failed"), false;
  for (auto& entry : page->entries) {
    auto& progress = followed_[entry.stream];
    complaints_.require(entry.event.version == progress.version + 1, "the tail skips, doubles or reorders");
    progress = evolve(std::move(progress), entry.event);
  }
  complaints_.require(page->entries.empty() == (page->next == cursor_), "the tail's cursor does not fit its page");
  cursor_ = page->next;
  return !page->entries.empty();
}

void Stress::expect_sums(store::ProgressReader& reader) {
  for (std::size_t file = 0; file < files; ++file) {
    const auto& known = ledger_.file(file);
    const auto stream = stream_of(file);
    const auto snapshot = reader.by_filename(stream).value();
    ASSERT_EQ(snapshot ? snapshot->progress.version : 0, known.applied.load()) << *stream.filename;
    ASSERT_EQ(snapshot ? snapshot->progress.counts.done : 0, known.done.load()) << *stream.filename;
    ASSERT_EQ(followed_[stream].counts.done, known.done.load()) << *stream.filename;
    ASSERT_TRUE(!snapshot || snapshot->progress == followed_[stream]) << *stream.filename;
  }
}

TEST_F(Stress, EveryUpdateHasOneOutcomeAndOneEffect) {
  live(1500ms, 20s, true);  // ends in order
  live(700ms, 0ms, false);  // ends at once, with a queue full of updates
  live(800ms, 20s, true);   // their twins come again
  const auto report = store::verify_sqlite(store_options(), {}).value();
  EXPECT_EQ(report.differing, 0);
  EXPECT_EQ(report.events, ledger_.applied.load());
  fmt::print("applied {}, replayed {}, refused {}, told to retry {}, returned {}\n", ledger_.applied.load(),
             ledger_.replayed.load(), ledger_.refused.load(), ledger_.retried.load(), ledger_.returned.load());
  EXPECT_GT(ledger_.applied.load(), 1000);
  EXPECT_GT(ledger_.replayed.load(), 100);
  EXPECT_GT(ledger_.refused.load(), 10);
  EXPECT_GT(ledger_.retried.load(), 0);
  EXPECT_GT(ledger_.returned.load(), 0);
}

}  // namespace
}  // namespace pebbles::stress
