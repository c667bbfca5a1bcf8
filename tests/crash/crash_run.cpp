#include "crash/crash_run.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>

#include "crash/crash_vfs.hpp"
#include "crash/folder.hpp"
#include "crypto/sha256.hpp"
#include "ingest/committer.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace pebbles::crash {

using domain::StreamId;

void Seen::add(const Seen& other) {
  cuts += other.cuts;
  cuts_while_opening += other.cuts_while_opening;
  cuts_with_updates_in_flight += other.cuts_with_updates_in_flight;
  in_flight_kept += other.in_flight_kept;
  in_flight_lost += other.in_flight_lost;
  acknowledged += other.acknowledged;
  failed_writes += other.failed_writes;
  replayed += other.replayed;
}

namespace {

class CheckFailed : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

void require(bool holds, const std::string& otherwise) {
  if (!holds) throw CheckFailed{otherwise};
}

template <class T>
T require(Result<T> result, const std::string& what) {
  if (!result) throw CheckFailed{fmt::format("{}: {}", what, result.error().detail)};
  return *std::move(result);
}

/// What is known of an update.
enum class Fate {
  open,          ///< not offered, told to retry, or refused: not in the store
  in_flight,     ///< offered, nobody was told yet
  acknowledged,  ///< in the store
};

/// A worker's update; offered again as it is, if it has a key.
struct Update {
  StreamId stream;
  domain::Report report;
  Fate fate = Fate::open;

  /// An event tells by this whose it is: its time where it has no key, because every new update has a later one.
  [[nodiscard]] std::string name() const { return name_of(report.key, report.at); }
  static std::string name_of(const std::optional<domain::EventKey>& key, Timestamp at) {
    return key ? key->text : fmt::format("at {}", at.time_since_epoch().count());
  }
};
using Updates = std::vector<Update>;
using Index = std::size_t;  ///< of an update

/// The store, one lane's part on top of it, and who is told.
class Server final : public ingest::AckSink {
 public:
  explicit Server(const store::SqliteOptions& options)
      : store_{require(store::SqliteStore::open(options), "the store does not open")},
        writer_{store_->writer()},
        committer_{std::make_unique<ingest::Committer>(*writer_, ingest::CommitterOptions{.writer = 1})} {}
  ~Server() override {
    committer_.reset();
    writer_.reset();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] store::ProgressReader& reader() { return store_->reader(); }
  [[nodiscard]] store::EventStore& writer() { return *writer_; }
  /// One outcome for each, in the order offered. `told` hears of each at the moment it is delivered.
  std::vector<ingest::Outcome> process(const Updates& updates, const std::vector<Index>& offered,
                                       std::function<void(Index, const ingest::Outcome&)> told = {}) {
    offered_ = offered;
    told_ = std::move(told);
    outcomes_.assign(offered.size(), {});
    std::vector<ingest::Pending> batch;
    for (std::size_t i = 0; i < offered.size(); ++i)
      batch.push_back({updates[offered[i]].stream, updates[offered[i]].report, ingest::Ack{*this, i}});
    committer_->process(std::move(batch));
    std::vector<ingest::Outcome> out;
    for (auto& outcome : outcomes_) {
      require(outcome.has_value(), "an update was not settled");
      out.push_back(*std::move(outcome));
    }
    return out;
  }
  void settle(std::vector<ingest::Settlement> settlements) override {
    for (auto& settlement : settlements) {
      auto& outcome = outcomes_.at(settlement.ticket);
      require(!outcome, "an update was settled twice");
      if (told_) told_(offered_[settlement.ticket], settlement.outcome);
      outcome = std::move(settlement.outcome);
    }
  }

 private:
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<store::EventStore> writer_;
  std::unique_ptr<ingest::Committer> committer_;
  std::vector<Index> offered_;
  std::function<void(Index, const ingest::Outcome&)> told_;
  std::vector<std::optional<ingest::Outcome>> outcomes_;
};

bool is_stored(const ingest::Outcome& outcome) {
  return std::holds_alternative<ingest::Applied>(outcome) || std::holds_alternative<ingest::Replayed>(outcome);
}

/// Somebody else's look at the file. Held open while a store works it keeps the log from being reset (`pin`).
class RawConnection {
 public:
  RawConnection(const std::string& path, const std::string& vfs) {
    const int code =
        sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE, vfs.empty() ? nullptr : vfs.c_str());
    if (code == SQLITE_OK) return;
    sqlite3_close(handle_);
    throw CheckFailed{fmt::format("the file does not open: {}", sqlite3_errstr(code))};
  }
  ~RawConnection() { sqlite3_close(handle_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  [[nodiscard]] std::string first_text(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    std::string out;
    if (sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
      out = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    else
      out = sqlite3_errmsg(handle_);
    sqlite3_finalize(statement);
    return out;
  }
  void pin() { sqlite3_exec(handle_, "BEGIN; SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr); }

 private:
  sqlite3* handle_ = nullptr;
};

/// The store's content by name of update; fails where it contradicts itself.
class Content {
 public:
  Content(store::ProgressReader& reader, const Updates& updates) {
    std::map<std::string, Index> by_name;
    std::set<StreamId> streams;
    for (Index i = 0; i < updates.size(); ++i) {
      by_name.emplace(updates[i].name(), i);
      streams.insert(updates[i].stream);
    }
    for (const auto& stream : streams) read(reader, stream, updates, by_name);
    const auto tail = require(reader.tail(0, SIZE_MAX), "the tail cannot be read");
    require(tail.entries.size() == found_.size(), "the tail has other events than the streams");
  }
  [[nodiscard]] bool has(Index update) const { return found_.contains(update); }
  [[nodiscard]] std::size_t size() const { return found_.size(); }

 private:
  void read(store::ProgressReader& reader, const StreamId& stream, const Updates& updates,
            const std::map<std::string, Index>& by_name) {
    const auto page =
        require(reader.events(stream, 0, {.events = SIZE_MAX - 2, .bytes = SIZE_MAX}), "events cannot be read");
    domain::Counts sum;
    domain::Version version = 0;
    for (const auto& event : page.events) {
      require(event.version == ++version, "a version is missing or doubled");
      const auto known = by_name.find(Update::name_of(event.key, event.at));
      require(known != by_name.end(), "an event nobody told");
      const Update& update = updates[known->second];
      require(update.stream == stream, "an event in another's stream");
      require(std::get<domain::Reported>(event.what) == update.report.what, "an event says something else");
      require(found_.insert(known->second).second, fmt::format("{} is there twice", update.name()));
      sum.done += update.report.what.counts.done;
    }
    const auto snapshot = require(reader.by_filename(stream), "a snapshot cannot be read");
    require((snapshot == nullptr) == (version == 0), "a snapshot without events, or events without one");
    if (snapshot)
      require(snapshot->progress.version == version && snapshot->progress.counts == sum,
              "a snapshot is not the sum of its events");
  }
  std::set<Index> found_;
};

/// One seed's lives.
class Run {
 public:
  Run(std::uint64_t seed, const Broken& broken) : random_{seed}, broken_{broken}, vfs_{one_in(2) ? 512U : 4096U} {
    if (!broken.syncs_ignored_of.empty()) vfs_.ignore_syncs(broken.syncs_ignored_of);
  }

  RunReport run() {
    RunReport report;
    try {
      const auto lives = 1 + below(3);
      for (std::size_t life = 0; life < lives; ++life) {
        live(folder_.file(fmt::format("life{}.db", life)), folder_.file(fmt::format("life{}.db", life + 1)));
        // Looked at through a copy, so that the next life begins with what the cut left and not with a repair.
        copy_image(folder_.file(fmt::format("life{}.db", life + 1)), folder_.file("look.db"));
        look(folder_.file("look.db"));
      }
    } catch (const std::exception& failed) {
      report.failure = failed.what();
    }
    report.seen = seen_;
    return report;
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }

  /// Bounds so small that write-outs and checkpoints happen all the time.
  store::SqliteOptions options(const std::string& path) {
    constexpr std::size_t rows[]{4, 16, 64};
    constexpr std::int64_t pages[]{5, 20, 60};
    return {.path = path,
            .vfs = vfs_.name(),
            .durable = !broken_.not_durable,
            .readers = 1,
            .recent_rows_max = rows[below(3)],
            .recent_bytes_max = one_in(3) ? 4000UL : 64UL << 20U,
            .checkpoint_pages = pages[below(3)]};
  }

  /// From opening the file to the power cut; `left` is what the cut left.
  void live(const std::string& path, const std::string& left) {
    cut_ = false;
    in_flight_.clear();
    const auto cut = [this, path, left, image_seed = random_()] {
      vfs_.crash_image(image_seed, path, left);
      cut_ = true;
      at_cut_ = updates_;
      seen_.cuts_while_opening += server_ == nullptr ? 1 : 0;
    };
    // A quarter of the cuts come early: opening and creating are a small part of a life, and the most delicate.
    const auto call = 1 + below(one_in(4) ? 40 : 700);
    vfs_.at_call(static_cast<int>(call), one_in(2) ? CrashVfs::Moment::before : CrashVfs::Moment::after, cut);
    const auto opened_with = options(path);
    const auto open = [&] { server_ = std::make_unique<Server>(opened_with); };
    open();
    for (int round = 0; round < 60 && !cut_; ++round) {
      if (one_in(12)) pin_ = std::make_unique<RawConnection>(path, vfs_.name()), pin_->pin();
      if (one_in(4)) pin_.reset();
      act(open);
    }
    if (!cut_) {
      vfs_.at_call(1, CrashVfs::Moment::before, {});
      cut();
    }
    pin_.reset();
    server_.reset();  // on the file of the life that ended; nobody looks at it any more
    ++seen_.cuts;
  }

  template <class Open>
  void act(const Open& open) {
    switch (below(12)) {
      case 0: {
        pin_.reset();
        auto closing = std::move(server_);
        closing.reset();
        open();
        break;
      }
      case 1:
      case 2:
        while (server_->writer().maintain(store::Load::idle) && !one_in(4)) {
        }
        break;
      default: offer(); break;
    }
  }

  /// One batch: new updates, twins of old ones, and now and then a write that fails.
  void offer() {
    std::vector<Index> batch;
    for (auto count = 1 + below(one_in(3) ? 25 : 5); count > 0; --count) batch.push_back(some_update());
    // Offered twice in one batch, an update has two outcomes: the checks below want one.
    std::ranges::sort(batch);
    batch.erase(std::unique(batch.begin(), batch.end()), batch.end());
    for (const auto i : batch)
      if (updates_[i].fate == Fate::open) updates_[i].fate = Fate::in_flight;
    const bool already_cut = cut_;
    const bool disk_full = one_in(15);
    if (disk_full) vfs_.fail(CrashVfs::Call::write, static_cast<int>(1 + below(12)), SQLITE_FULL);
    const auto outcomes = server_->process(updates_, batch, [&](Index i, const ingest::Outcome& outcome) {
      if (is_stored(outcome)) updates_[i].fate = Fate::acknowledged;
      if (updates_[i].fate == Fate::in_flight) updates_[i].fate = Fate::open;  // a twin's failure takes nothing back
    });
    const bool failed = disk_full && !vfs_.take_back_failure();
    seen_.failed_writes += failed ? 1 : 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto* retry = std::get_if<ingest::Retry>(&outcomes[i]);
      require(retry == nullptr || (failed && !retry->maybe_applied), "an update was to be retried without a fault");
    }
    if (cut_ && !already_cut)
      for (const auto i : batch)
        if (at_cut_[i].fate == Fate::in_flight && updates_[i].fate == Fate::acknowledged) in_flight_.push_back(i);
    server_->writer().maintain(store::Load::pause);
  }

  Index some_update() {
    if (!updates_.empty() && one_in(5)) {
      const auto old = below(updates_.size());
      if (updates_[old].report.key) return old;
    }
    const auto number = updates_.size();
    domain::Report report{.by = domain::Email{"ann@example.com"},
                          .channel = domain::Channel::rest,
                          .at = Timestamp{std::chrono::milliseconds{1'700'000'000'000 + number}},
                          .what = {.counts = {.done = static_cast<std::int64_t>(1 + below(1000))},
                                   .total = {},
                                   .is_last = one_in(60),
                                   .errors = domain::ItemList{some_items()},
                                   .warnings = {}},
                          .key = std::nullopt,
                          .position = std::nullopt,
                          .id_if_new = {}};
    for (auto& byte : report.id_if_new) byte = static_cast<std::uint8_t>(below(256));
    if (!one_in(4)) {
      domain::EventKey key{.text = fmt::format("p:{}", number), .hash = {}, .fingerprint = {}};
      key.hash = crypto::short_sha256({key.text});
      report.key = std::move(key);
    }
    // Few files get much, new ones come all the time.
    const auto file = one_in(3) ? number / 20 : below(3);
    updates_.push_back({.stream = {domain::ClientKrn{fmt::format("krn:client:{}", below(2))},
                                   domain::Filename{fmt::format("file-{}.csv", file)}},
                        .report = std::move(report)});
    return number;
  }

  /// Mostly small; now and then an event that needs pages of its own.
  std::vector<domain::Item> some_items() {
    if (!one_in(6)) return {};
    return {{.line = 7, .message = std::string(one_in(5) ? 3000 + below(30'000) : below(300), 'x')}};
  }

  static void copy_image(const std::string& from, const std::string& to) {
    for (const auto* suffix : {"", "-wal", "-journal", "-shm", "-lock"}) {
      std::filesystem::remove(to + suffix);
      if (std::filesystem::exists(from + suffix)) std::filesystem::copy_file(from + suffix, to + suffix);
    }
  }

  /// What the cut left, seen by an ordinary start; afterwards every update's fate is known.
  void look(const std::string& path) {
    const bool exists = std::filesystem::exists(path);
    // Stays open until the store is, so that the store itself meets the log that the cut left.
    auto raw = exists ? std::make_unique<RawConnection>(path, "") : nullptr;
    if (raw) require_integrity(*raw);
    store::SqliteOptions plain = options(path);
    plain.vfs.clear();
    auto server = std::make_unique<Server>(plain);
    raw.reset();

    const Content content{server->reader(), at_cut_};
    require_all_acknowledged(content);
    require_whole_commits(content);
    retry_in_flight(*server, content);
    server.reset();
    const auto report = require(store::verify_sqlite(plain, {}), "verify does not run");
    if (report.differing != 0) throw CheckFailed{"verify: " + report.differences.front().what};
    RawConnection closed{path, ""};
    require_integrity(closed);

    for (Index i = 0; i < at_cut_.size(); ++i) at_cut_[i].fate = content.has(i) ? Fate::acknowledged : Fate::open;
    updates_ = at_cut_;
  }

  static void require_integrity(RawConnection& raw) {
    const auto said = raw.first_text("PRAGMA integrity_check");
    require(said == "ok", "integrity_check: " + said);
  }

  void require_all_acknowledged(const Content& content) {
    std::size_t expected = 0;
    for (Index i = 0; i < at_cut_.size(); ++i) {
      if (at_cut_[i].fate == Fate::acknowledged) {
        ++seen_.acknowledged;
        ++expected;
        require(content.has(i), fmt::format("{} was acknowledged and is lost", at_cut_[i].name()));
      }
    }
    for (const auto i : in_flight_) expected += content.has(i) ? 1 : 0;
    require(content.size() == expected, "an update is there that was never accepted, or was refused");
  }

  /// What was in flight was one batch, so each stream's part of it was one commit.
  void require_whole_commits(const Content& content) {
    std::map<StreamId, bool> is_there;
    for (const auto i : in_flight_) {
      const bool here = content.has(i);
      const auto [known, fresh] = is_there.emplace(at_cut_[i].stream, here);
      require(fresh || known->second == here, "half of a commit is there");
      (here ? seen_.in_flight_kept : seen_.in_flight_lost) += 1;
    }
    seen_.cuts_with_updates_in_flight += in_flight_.empty() ? 0 : 1;
  }

  /// The senders that heard nothing try again: then everything is there, and nothing twice.
  void retry_in_flight(Server& server, const Content& before) {
    std::vector<Index> again;
    for (const auto i : in_flight_)
      if (at_cut_[i].report.key) again.push_back(i);
    // And some that heard an answer which then got lost on its way.
    for (Index i = 0; i < at_cut_.size(); ++i)
      if (at_cut_[i].fate == Fate::acknowledged && at_cut_[i].report.key && one_in(10)) again.push_back(i);
    const auto outcomes = server.process(at_cut_, again);
    int applied = 0;
    for (std::size_t i = 0; i < again.size(); ++i) {
      const bool was_there = before.has(again[i]);
      require(was_there ? std::holds_alternative<ingest::Replayed>(outcomes[i])
                        : std::holds_alternative<ingest::Applied>(outcomes[i]),
              fmt::format("a retry of {} had the wrong outcome", at_cut_[again[i]].name()));
      ++(was_there ? seen_.replayed : applied);
    }
    const Content after{server.reader(), at_cut_};
    for (const auto i : again) require(after.has(i), "a retry was answered and is not there");
    require(after.size() == before.size() + static_cast<std::size_t>(applied), "retries changed more than they should");
  }

  std::mt19937_64 random_;
  Broken broken_;
  Folder folder_;
  CrashVfs vfs_;  // outlives the connections below
  std::unique_ptr<RawConnection> pin_;
  std::unique_ptr<Server> server_;
  Updates updates_;
  Updates at_cut_;                ///< the updates as they were known when the power went
  std::vector<Index> in_flight_;  ///< at the cut, and accepted in the world where it did not happen
  bool cut_ = false;
  Seen seen_;
};

}  // namespace

RunReport run(std::uint64_t seed, const Broken& broken) { return Run{seed, broken}.run(); }

}  // namespace pebbles::crash
