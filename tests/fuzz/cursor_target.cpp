#include "cursor_target.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "../support/events.hpp"
#include "../support/memory_store.hpp"
#include "../unit/http/client.hpp"
#include "admission/client_krn.hpp"
#include "base/assert.hpp"
#include "egress/query/read_history.hpp"
#include "egress/query/read_items.hpp"
#include "egress/query/read_progress.hpp"
#include "http/server.hpp"
#include "http/worker_pool.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::fuzz {
namespace {

using support::Told;

std::vector<domain::Item> items(int count) {
  std::vector<domain::Item> out;
  for (int i = 1; i <= count; ++i) out.push_back({.line = i, .message = "message " + std::to_string(i)});
  return out;
}

/// Commits one update after the other, each with its own chunk.
void fill(store::EventStore& store) {
  const auto tell = [&](const domain::StreamId& stream, const std::vector<Told>& updates) {
    store::SnapshotPtr state;
    auto at = support::t0;
    for (auto update : updates) {
      update.at = at += std::chrono::seconds{1};
      const auto append = support::append_to(stream, state, {update});
      PEBBLES_ASSERT(store.commit(std::span{&append, 1}).front() == store::AppendOutcome::stored,
                     "an update is stored");
      state = append.after;
    }
  };
  const auto stream = [](const char* name) { return domain::StreamId{tenant(), domain::Filename{name}}; };
  std::vector<Told> many;
  for (int i = 0; i < 20; ++i) many.push_back({.errors = items(i % 4), .warnings = items(i % 3)});
  tell(stream("many.csv"), many);
  tell(stream("second.csv"), {{.errors = items(5), .id = support::file_id(7)},
                              {.deletes = true},
                              {.errors = items(2), .id = support::file_id(2)},
                              {.errors = items(2)}});
  tell(stream("z"), {{.is_last = true, .id = support::file_id(3)}});
  tell({domain::ClientKrn{"krn:other"}, domain::Filename{"many.csv"}}, {{}, {.errors = items(3)}});
}

/// One store with its server.
class Served {
 public:
  explicit Served(store::ProgressReader& reader) : reader_{reader}, codec_{reader.cursor_key().value()} {
    auto started = http::Server::start({}, [this](http::Loop& loop) {
      const query::QueryParts parts{.reader = reader_,
                                    .clock = clock_,
                                    .client_rule = rule_,
                                    .pool = pool_,
                                    .lists = pool_,
                                    .logs = pool_,
                                    .options = {}};
      const query::ReadAccess access{.guard = std::make_shared<access::Guard>(keys_, access::GuardOptions{}, clock_)};
      query::add_routes(loop, parts, access);
      query::add_item_routes(loop, parts, access);
      query::add_history_routes(loop, parts, access);
    });
    server_ = *std::move(started);
  }
  ~Served() {
    server_->stop(std::chrono::seconds{1});
    pool_.stop();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  [[nodiscard]] const query::CursorCodec& codec() const { return codec_; }

  std::string get(const std::string& target) {
    // Streams have no length: each has a connection of its own.
    if (!target.contains("format=json")) return http::testing::get_from(server_->port(), target);
    for (int i = 0; i < 2; ++i) {
      if (!kept_) kept_ = std::make_unique<http::testing::Client>(server_->port());
      kept_->send("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
      if (auto out = kept_->read_answer(); !out.empty()) return out;
      kept_.reset();  // it was idle for too long
    }
    return "";
  }

 private:
  store::ProgressReader& reader_;
  query::CursorCodec codec_;
  SystemClock clock_;
  auth::KeyRing keys_{auth::KeySet{}};
  admission::ClientKrnRule rule_ = *admission::ClientKrnRule::compile(admission::ClientKrnRule::default_pattern);
  std::unique_ptr<http::Server> server_;  // outlives what resumes its handlers
  http::WorkerPool pool_{{.threads = 1, .queue_max = 16}};
  std::unique_ptr<http::testing::Client> kept_;
};

/// Both stores, for the life of the process.
struct Stores {
  Stores() {
    telemetry::start_log("off", telemetry::LogFormat::text);
    support::MemoryStore store{log};
    fill(store);
    std::string name = std::filesystem::temp_directory_path() / "pebbles-fuzz-XXXXXX";
    PEBBLES_ASSERT(::mkdtemp(name.data()) != nullptr, "there is a temporary folder");
    folder = name;
    sqlite = store::SqliteStore::open({.path = folder / "pebbles.db", .vfs = {}, .durable = false}).value();
    lane = sqlite->writer();
    fill(*lane);
    in_memory.emplace(reader);
    in_sqlite.emplace(sqlite->reader());
    std::filesystem::remove_all(folder);  // it stays open
  }

  std::filesystem::path folder;
  support::MemoryLog log;
  support::MemoryReader reader{log};
  std::unique_ptr<store::SqliteStore> sqlite;
  std::unique_ptr<store::EventStore> lane;
  std::optional<Served> in_memory, in_sqlite;
};

Served& served(bool in_sqlite) {
  static auto& stores = *new Stores;  // no thread of it is stopped in the middle of the process's end
  return in_sqlite ? *stores.in_sqlite : *stores.in_memory;
}

/// What stands behind `before` up to `end`; empty where there is none.
std::string text_after(const std::string& answer, std::string_view before, char end) {
  const auto begin = answer.find(before);
  if (begin == answer.npos) return "";
  const auto rest = answer.substr(begin + before.size());
  return rest.substr(0, rest.find(end));
}

}  // namespace

Input read_input(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return {};
  return {.in_sqlite = (data[0] & 1U) != 0,
          .choice = static_cast<unsigned>(data[0]) >> 1U,
          .limit = std::max<unsigned>(data[1], 1),
          .place = {reinterpret_cast<const char*>(data) + 2, size - 2}};
}

const domain::ClientKrn& tenant() {
  static const domain::ClientKrn out{"krn:a"};
  return out;
}

const domain::FileId& file(unsigned choice) {
  static const std::array ids{support::file_id({tenant(), domain::Filename{"many.csv"}}), support::file_id(2),
                              support::file_id(3)};
  return ids.at(choice % ids.size());
}

void walk(const Input& input, const query::CursorScope& scope, std::string_view target, bool is_place) {
  auto& server = served(input.in_sqlite);
  auto cursor = server.codec().seal(scope, input.place);
  for (int pages = 0; pages < 3 && !cursor.empty(); ++pages) {
    const auto answer = server.get(std::string{target} + cursor);
    const auto status = http::testing::status_of(answer);
    PEBBLES_ASSERT(status == 200 || status == 410 || status == 400 || status == 414, "no such answer");
    if (status == 414) return;
    PEBBLES_ASSERT((status == 400) == (pages == 0 && !is_place), "a place is refused, or what is none is taken");
    PEBBLES_ASSERT(!answer.ends_with("TIMEOUT"), "an answer that does not end");
    cursor = text_after(answer, "&cursor=", '>');
    if (cursor.empty() && answer.contains(R"("more":true)")) cursor = text_after(answer, R"("next":")", '"');
  }
}

}  // namespace pebbles::fuzz
