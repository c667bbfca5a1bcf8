#include <fmt/core.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <random>
#include <thread>

#include "crypto/sha256.hpp"
#include "ingest/committer.hpp"
#include "store/mongo/bulk.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/driver.hpp"
#include "store/mongo/shared.hpp"

/// What MongoDB does when it is spoken to by bare libmongoc, and what the store makes of it: the references of
/// tests/bench/mongo.py and their counterparts below HTTP. Each command prints one line of figures.
namespace pebbles::store::mongo {
namespace {

using std::chrono::duration;
using std::chrono::microseconds;
using std::chrono::steady_clock;

struct Settings {
  std::string uri;
  std::string database = "bench";
  double seconds = 5;
  std::size_t threads = 1;
  std::size_t files = 100;
  std::size_t batch = 10'000;
  std::size_t streams = 200'000;
  std::size_t page = 100;
};

constexpr std::string_view client_name = "krn:acme:client:123";

std::string name_of_file(std::size_t number) { return fmt::format("sales_data_{}.csv", number); }

/// Ends the program: figures of a run that failed are worth nothing.
[[noreturn]] void give_up(std::string_view what) {
  fmt::print(stderr, "mongo_bench: {}\n", what);
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error().detail);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

void must(bool good, const bson_error_t& error) {
  if (!good) give_up(error.message);
}

/// How long each operation took, and how many updates or answers that were.
struct Figures {
  std::vector<std::uint32_t> took_us;
  std::uint64_t count = 0;
  double seconds = 0;

  void add(steady_clock::duration took, std::uint64_t counted) {
    took_us.push_back(static_cast<std::uint32_t>(std::chrono::duration_cast<microseconds>(took).count()));
    count += counted;
  }
};

void print(std::string_view name, Figures figures) {
  std::ranges::sort(figures.took_us);
  const auto quantile = [&](std::size_t hundredths) {
    return figures.took_us.empty() ? 0U : figures.took_us[(figures.took_us.size() - 1) * hundredths / 100];
  };
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("BENCH name={} count={} seconds={:.3f} rate={:.1f} p50_us={} p99_us={} rss_mib={}\n", name, figures.count,
             figures.seconds, static_cast<double>(figures.count) / figures.seconds, quantile(50), quantile(99),
             usage.ru_maxrss / 1024);
}

/// Calls `once` again and again until the time is over. It tells how much it has done.
Figures repeat(double seconds, const std::function<std::uint64_t()>& once) {
  Figures out;
  const auto begin = steady_clock::now();
  const auto end = begin + std::chrono::duration_cast<steady_clock::duration>(duration<double>{seconds});
  for (auto now = begin; now < end;) {
    const auto done = once();
    const auto then = steady_clock::now();
    out.add(then - now, done);
    now = then;
    out.seconds = duration<double>(now - begin).count();
  }
  return out;
}

/// The same on several threads, each with what `make` gives it to repeat.
Figures repeat_on_threads(const Settings& settings, const std::function<std::function<std::uint64_t()>(int)>& make) {
  std::vector<Figures> parts(settings.threads);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < settings.threads; ++i)
    threads.emplace_back([&, i] { parts[i] = repeat(settings.seconds, make(static_cast<int>(i))); });
  for (auto& thread : threads) thread.join();
  Figures out;
  for (auto& part : parts) {
    out.took_us.insert(out.took_us.end(), part.took_us.begin(), part.took_us.end());
    out.count += part.count;
    out.seconds = std::max(out.seconds, part.seconds);
  }
  return out;
}

std::shared_ptr<Shared> shared_of(const Settings& settings) {
  return must(Shared::make({.uri = fmt::format("{}/{}", settings.uri, settings.database), .pool_size = 64}));
}

/// A client with collections of its own, in a database that is empty but for the indexes.
struct Place {
  explicit Place(Shared& shared)
      : lease{shared.lease()},
        progress{shared.collection(lease, progress_name)},
        events{shared.collection(lease, events_name)} {}
  Lease lease;
  Collection progress;
  Collection events;
};

void drop(Shared& shared, const Settings& settings) {
  const auto lease = shared.lease();
  Bson command;
  command.small("dropDatabase", 1);
  must(run(lease.get(), settings.database, command));
}

/// The three indexes that the service had before there was a log.
void make_brief_indexes(mongoc_client_t* client, const std::string& database) {
  BsonArray indexes;
  const auto add = [&](std::initializer_list<std::string_view> fields, std::string_view name, bool unique) {
    Bson keys, index;
    for (const auto field : fields) keys.small(field, 1);
    index.document("key", keys).text("name", name).boolean("unique", unique);
    indexes.add([&](Bson& array, std::string_view key) { array.document(key, index); });
  };
  add({"clientKrn", "filename", "email"}, "clientKrn_1_filename_1_email_1", true);
  add({"clientKrn", "email"}, "progress_client_email_idx", false);
  add({"clientKrn"}, "progress_client_idx", false);
  Bson command;
  command.text("createIndexes", progress_name).array("indexes", indexes.get());
  must(run(client, database, command));
}

Bson filter_of_file(std::size_t number) {
  Bson out;
  out.text("clientKrn", client_name).text("filename", name_of_file(number));
  return out;
}

/// The files of the former service, each as its first update left it. Kept when they are there.
void make_brief_files(Shared& shared, const Settings& settings) {
  const Place place{shared};
  bson_error_t error;
  const auto there =
      mongoc_collection_estimated_document_count(place.progress.get(), nullptr, nullptr, nullptr, &error);
  must(there >= 0, error);
  if (static_cast<std::size_t>(there) == settings.files) return;
  drop(shared, settings);
  make_brief_indexes(place.lease.get(), settings.database);
  for (std::size_t file = 1; file <= settings.files;) {
    Writes files{place.progress.get(), nullptr};
    for (std::size_t i = 0; i < settings.batch && file <= settings.files; ++i, ++file) {
      Bson document = filter_of_file(file), counts;
      counts.integer("done", 500).integer("warn", 2).integer("failed", 1);
      document.text("email", "user@acme.com").document("counts", counts).integer("total", 10'000'000);
      document.time("createdAt", SystemClock{}.now()).time("updatedAt", SystemClock{}.now());
      if (!files.insert(document)) give_up("a file is refused");
    }
    BulkReply done;
    if (files.execute(done)) give_up("the files could not be made");
  }
}

/// One findAndModify an update.
void find_and_modify(const Settings& settings) {
  const auto shared = shared_of(settings);
  make_brief_files(*shared, settings);
  const auto update_once = [&](const Place& place, std::size_t file) {
    Bson added, changed, update;
    added.integer("counts.done", 500).integer("counts.warn", 2).integer("counts.failed", 1);
    changed.time("updatedAt", SystemClock{}.now());
    Bson first;
    first.text("email", "user@acme.com").integer("total", 10'000'000).time("createdAt", SystemClock{}.now());
    update.document("$inc", added).document("$set", changed).document("$setOnInsert", first);
    const std::unique_ptr<mongoc_find_and_modify_opts_t, Destroy<mongoc_find_and_modify_opts_destroy>> options{
        mongoc_find_and_modify_opts_new()};
    mongoc_find_and_modify_opts_set_update(options.get(), update.get());
    mongoc_find_and_modify_opts_set_flags(
        options.get(),
        static_cast<mongoc_find_and_modify_flags_t>(MONGOC_FIND_AND_MODIFY_UPSERT | MONGOC_FIND_AND_MODIFY_RETURN_NEW));
    bson_error_t error;
    must(mongoc_collection_find_and_modify_with_opts(place.progress.get(), filter_of_file(file).get(), options.get(),
                                                     nullptr, &error),
         error);
  };
  auto figures = repeat_on_threads(settings, [&](int number) -> std::function<std::uint64_t()> {
    const auto place = std::make_shared<Place>(*shared);
    const auto random = std::make_shared<std::minstd_rand>(static_cast<unsigned>(number) + 1);
    return [&, place, random]() -> std::uint64_t {
      update_once(*place, 1 + (*random)() % settings.files);
      return 1;
    };
  });
  print("findandmodify", std::move(figures));
}

/// Counts what became of the updates of a batch.
class Counter final : public ingest::AckSink {
 public:
  void settle(std::vector<ingest::Settlement> settlements) override {
    for (const auto& settlement : settlements)
      if (!std::holds_alternative<ingest::Applied>(settlement.outcome)) give_up("an update was not applied");
    applied += settlements.size();
  }
  std::uint64_t applied = 0;
};

/// `count` updates in turn over the files from `first` on, as they come out of admission.
std::vector<ingest::Pending> make_updates(std::size_t count, std::size_t files, Counter& counter,
                                          std::size_t first = 1) {
  std::vector<ingest::Pending> out;
  out.reserve(count);
  domain::Report report;
  report.by = domain::Email{"user@acme.com"};
  report.at = SystemClock{}.now();
  report.what = {.counts = {.done = 500, .warn = 2, .failed = 1},
                 .total = 10'000'000,
                 .is_last = {},
                 .errors = {},
                 .warnings = {}};
  for (std::size_t i = 0; i < count; ++i) {
    crypto::fill_random(report.id_if_new);
    out.push_back({.stream = {.client = domain::ClientKrn{std::string{client_name}},
                              .filename = domain::Filename{name_of_file(first + i % files)}},
                   .command = report,
                   .ack = ingest::Ack{counter, i}});
  }
  return out;
}

/// Keeps the appends of the last commit instead of storing them.
class Captured final : public EventStore {
 public:
  Result<std::vector<Loaded>> load(std::span<const StreamId> streams, LoadMode) override {
    return std::vector<Loaded>(streams.size());
  }
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const KeyQuery> queries) override {
    return std::vector<std::optional<domain::KeyHit>>(queries.size());
  }
  Result<std::vector<std::optional<Token>>> find_tokens(std::span<const ChunkQuery> queries) override {
    return std::vector<std::optional<Token>>(queries.size());
  }
  std::vector<AppendOutcome> commit(std::span<const Append> batch) override {
    appends.assign(batch.begin(), batch.end());
    return std::vector<AppendOutcome>(batch.size(), AppendOutcome::stored);
  }
  bool maintain(Load) override { return false; }
  std::vector<Append> appends;
};

/// The chunks and folded progress of one batch, ready to be written again and again at later versions.
class BareBatch {
 public:
  explicit BareBatch(const Settings& settings) {
    Captured captured;
    ingest::Committer committer{captured, {.writer = 1}};
    Counter counter;
    for (int round = 0; round < 2; ++round) {
      committer.process(make_updates(settings.batch, settings.files, counter));
      for (const auto& append : captured.appends) {
        if (round == 0) snapshots_.push_back(snapshot_document(*append.after));
        if (round == 1) add(append);
      }
    }
  }

  /// The files as they are before the first batch.
  void insert_files(const Place& place) {
    bson_error_t error;
    for (const auto& snapshot : snapshots_)
      must(mongoc_collection_insert_one(place.progress.get(), snapshot.get(), nullptr, nullptr, &error), error);
  }

  /// One transaction of two bulks.
  std::uint64_t write(const Place& place, mongoc_client_session_t* session) {
    bson_error_t error;
    must(mongoc_client_session_start_transaction(session, nullptr, &error), error);
    Bson options;
    options.boolean("ordered", false);
    must(mongoc_client_session_append(session, options.get(), &error), error);
    const Bulk chunks{mongoc_collection_create_bulk_operation_with_opts(place.events.get(), options.get())};
    const Bulk folded{mongoc_collection_create_bulk_operation_with_opts(place.progress.get(), options.get())};
    for (auto& file : files_) {
      must(mongoc_bulk_operation_insert_with_opts(chunks.get(), file.chunk.get(), nullptr, &error), error);
      must(mongoc_bulk_operation_update_one_with_opts(folded.get(), file.filter.get(), file.update.get(), nullptr,
                                                      &error),
           error);
      file.go_on();
    }
    must(mongoc_bulk_operation_execute(chunks.get(), nullptr, &error) != 0, error);
    must(mongoc_bulk_operation_execute(folded.get(), nullptr, &error) != 0, error);
    must(mongoc_client_session_commit_transaction(session, nullptr, &error), error);
    return events_;
  }

 private:
  struct File {
    Bson chunk;
    Bson filter;
    Bson update;
    Version events = 0;

    /// To the next chunk, in place. What the text says of versions stays: nobody reads it.
    void go_on() {
      raise(chunk, "_id.first", events);
      raise(filter, "version", events);
      raise(update, "$set.version", events);
      raise(update, "$set.counts.done", events);
    }
    static void raise(Bson& document, const char* path, std::int64_t by) {
      bson_iter_t iterator, found;
      if (!bson_iter_init(&iterator, document.get()) || !bson_iter_find_descendant(&iterator, path, &found))
        give_up(path);
      bson_iter_overwrite_int64(&found, bson_iter_int64(&found) + by);
    }
  };

  void add(const Append& append) {
    File file;
    file.chunk = chunk_document(append);
    file.filter = stream_filter(append.after->stream);
    file.filter.integer("version", append.before->progress.version);
    file.update = snapshot_update(*append.before, *append.after);
    file.events = static_cast<Version>(append.chunk.events.size());
    events_ += append.chunk.events.size();
    files_.push_back(std::move(file));
  }

  std::vector<Bson> snapshots_;
  std::vector<File> files_;
  std::uint64_t events_ = 0;
};

void bare_transactions(const Settings& settings) {
  const auto shared = shared_of(settings);
  drop(*shared, settings);
  const Place place{*shared};
  must(shared->prepare(place.lease));
  BareBatch batch{settings};
  batch.insert_files(place);
  bson_error_t error;
  const Session session{mongoc_client_start_session(place.lease.get(), nullptr, &error)};
  if (!session) give_up(error.message);
  print("bare-transactions", repeat(settings.seconds, [&] { return batch.write(place, session.get()); }));
}

std::unique_ptr<MongoStore> open_store(const Settings& settings) {
  return must(MongoStore::open({.uri = fmt::format("{}/{}", settings.uri, settings.database)}));
}

/// The same updates through a lane's committer. Making them is the ingress' work, and not measured.
void store_alone(const Settings& settings) {
  drop(*shared_of(settings), settings);
  const auto store = open_store(settings);
  const auto writer = store->writer();
  ingest::Committer committer{*writer, {.writer = 1}};
  Counter counter;
  committer.process(make_updates(settings.batch, settings.files, counter));  // creates the files
  Figures figures;
  while (figures.seconds < settings.seconds) {
    auto updates = make_updates(settings.batch, settings.files, counter);
    const auto begin = steady_clock::now();
    committer.process(std::move(updates));
    const auto took = steady_clock::now() - begin;
    figures.add(took, settings.batch);
    figures.seconds += duration<double>(took).count();
  }
  if (counter.applied != figures.count + settings.batch) give_up("an update was not answered");
  print("store", std::move(figures));
}

/// New files, one update each.
void fill(const Settings& settings) {
  const auto store = open_store(settings);
  const auto writer = store->writer();
  ingest::Committer committer{*writer, {.writer = 1}};
  Counter counter;
  Figures figures;
  const auto begin = steady_clock::now();
  for (std::size_t first = 1; first <= settings.streams; first += settings.batch) {
    const auto count = std::min(settings.batch, settings.streams + 1 - first);
    const auto then = steady_clock::now();
    committer.process(make_updates(count, count, counter, first));
    figures.add(steady_clock::now() - then, count);
  }
  figures.seconds = duration<double>(steady_clock::now() - begin).count();
  print("fill", std::move(figures));
}

/// One record by its name, over and over.
void find_one(const Settings& settings) {
  const auto shared = shared_of(settings);
  const auto filter = filter_of_file(1);
  auto figures = repeat_on_threads(settings, [&](int) -> std::function<std::uint64_t()> {
    const auto place = std::make_shared<Place>(*shared);
    return [&, place]() -> std::uint64_t {
      std::size_t found = 0;
      must(find(place->progress.get(), filter, Bson{}, [&](const bson_t*) { return ++found > 0; }));
      if (found != 1) give_up("the record is not there");
      return 1;
    };
  });
  print("find", std::move(figures));
}

/// The first page of the list and the thousandth, in turns.
void list(const Settings& settings) {
  constexpr int far_page = 1000;
  const auto store = open_store(settings);
  const domain::ClientKrn client{std::string{client_name}};
  const auto page_after = [&](const std::optional<ListPosition>& after) {
    auto page = must(store->reader().list(client, {.owner = {}, .after = after, .limit = settings.page}));
    if (page.records.size() != settings.page) give_up("there are not enough streams for that many pages");
    return position_of(ListOrder::updated, *page.records.back());
  };
  std::optional<ListPosition> before_far;
  for (int page = 1; page < far_page; ++page) before_far = page_after(before_far);
  Figures near, far;
  while (near.seconds + far.seconds < settings.seconds) {
    for (auto* figures : {&near, &far}) {
      const auto begin = steady_clock::now();
      page_after(figures == &near ? std::nullopt : before_far);
      const auto took = steady_clock::now() - begin;
      figures->add(took, 1);
      figures->seconds += duration<double>(took).count();
    }
  }
  print("list-page-1", std::move(near));
  print(fmt::format("list-page-{}", far_page), std::move(far));
}

/// Makes a fresh server a replica set of itself, and waits until it takes writes.
void initiate(const Settings& settings) {
  start_driver();
  const std::unique_ptr<mongoc_client_t, Destroy<mongoc_client_destroy>> client{
      mongoc_client_new((settings.uri + "/?directConnection=true&serverSelectionTimeoutMS=500").c_str())};
  if (!client) give_up("the URI is not a connection string");
  Bson none, command, ask;
  command.document("replSetInitiate", none);
  ask.small("hello", 1);
  bool is_primary = false;
  for (int attempt = 0; attempt < 300 && !is_primary; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds{100});
    if (const auto reply = run(client.get(), "admin", ask))
      each_member(reply->get(), [&](std::string_view name, const bson_iter_t& member) {
        if (name == "isWritablePrimary") is_primary = bson_iter_as_bool(&member);
      });
    if (!is_primary) static_cast<void>(run(client.get(), "admin", command));  // refused once it has been done
  }
  if (!is_primary) give_up("the server did not become a primary");
}

int serve(int count, char** arguments) {
  CLI::App app{"Benchmarks of MongoDB with and without Pebbles' store"};
  app.require_subcommand(1);
  Settings settings;
  const auto add = [&](const char* name, const char* says, void (*command)(const Settings&)) {
    auto* const sub = app.add_subcommand(name, says);
    sub->add_option("--uri", settings.uri, "mongodb://HOST:PORT, without database")->required();
    sub->add_option("--database", settings.database);
    sub->add_option("--seconds", settings.seconds);
    sub->add_option("--threads", settings.threads);
    sub->add_option("--files", settings.files);
    sub->add_option("--batch", settings.batch);
    sub->add_option("--streams", settings.streams);
    sub->add_option("--page", settings.page);
    sub->callback([&settings, command] { command(settings); });
  };
  add("initiate", "makes a fresh server a replica set of itself", initiate);
  add("findandmodify", "bare libmongoc, one findAndModify an update", find_and_modify);
  add("bare-transactions", "bare libmongoc, chunks and folded progress in transactions", bare_transactions);
  add("store", "the same updates through committer and store", store_alone);
  add("fill", "makes files with one update each", fill);
  add("find", "bare libmongoc, one record by its name", find_one);
  add("list", "the first page of a list and the thousandth", list);
  CLI11_PARSE(app, count, arguments);
  return 0;
}

}  // namespace
}  // namespace pebbles::store::mongo

int main(int count, char** arguments) { return pebbles::store::mongo::serve(count, arguments); }
