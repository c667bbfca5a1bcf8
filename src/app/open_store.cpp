#include "app/open_store.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace pebbles::app {
Result<void> make_embedded_folder(const Config& config) {
  if (config.embedded_dir.empty()) return {};
  std::error_code error;
  std::filesystem::create_directories(config.embedded_dir, error);
  if (!error) return {};
  return failure(Errc::invalid_argument, fmt::format("cannot make {}: {}", config.embedded_dir, error.message()));
}

store::MongoOptions mongo_options(const Config& config) {
  store::MongoOptions out;
  out.uri = config.mongo_uri;
  out.pool_size = config.mongo_pool_size;
#ifdef PEBBLES_CRASH_POINTS
  // The control of the fault tests; not in a build that anybody serves with.
  out.weak_writes = std::getenv("PEBBLES_TEST_WEAK_WRITES") != nullptr;
#endif
  return out;
}

Result<OpenedStore> open_store(const Config& config) {
  if (const auto path = config.sqlite_path()) {
    OpenedStore out;
    const auto threads = out.readers + out.listers + out.log_readers;
    PEBBLES_TRY(store, store::SqliteStore::open({.path = *path, .vfs = {}, .readers = threads}));
    out.store = std::move(store);
    return out;
  }
  PEBBLES_TRY(store, store::MongoStore::open(mongo_options(config)));
  // Each lane holds a client of the pool and borrows one for its snapshots, the upkeep borrows one; the rest is for
  // reads.
  const auto lanes = std::min(config.mongo_lanes, config.mongo_pool_size / 2);
  constexpr std::size_t readers_max = 16;
  const auto left = config.mongo_pool_size - std::min(config.mongo_pool_size, 2 * lanes + 1);
  constexpr std::size_t log_readers = 2;
  // At most as many lists at once as keep half of the processors busy, here or in the database.
  const auto listers = std::clamp<std::size_t>(std::thread::hardware_concurrency() / 2, 2, readers_max / 2);
  return OpenedStore{
      .store = std::move(store),
      .lanes = lanes,
      .readers = std::clamp<std::size_t>(left, listers + log_readers + 1, readers_max) - listers - log_readers,
      .listers = listers,
      .log_readers = log_readers};
}

}  // namespace pebbles::app
