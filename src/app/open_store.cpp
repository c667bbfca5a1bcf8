#include "app/open_store.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "telemetry/telemetry.hpp"

namespace pebbles::app {
namespace {

namespace fs = std::filesystem;

constexpr auto others = fs::perms::group_all | fs::perms::others_all;

/// Whether nothing is in the folder but the store's files and its key.
bool holds_only(const fs::path& folder, const std::string& store) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{folder, error}) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(store) && name != "development.key" && name != "lost+found") return false;
  }
  return !error;
}

/// A folder that is the store's alone is closed to others; one that has other things in it is not ours to change.
void keep_folder_private(const fs::path& store) {
  const auto folder = fs::absolute(store).lexically_normal().parent_path();
  std::error_code error;
  const auto mode = fs::status(folder, error).permissions();
  if (error || (mode & others) == fs::perms::none) return;
  const bool is_ours = holds_only(folder, store.filename().string());
  if (is_ours) fs::permissions(folder, fs::perms::owner_all, error);
  if (is_ours && !error) return;
  telemetry::store_file_open(folder.string(),
                             "others may enter this folder: give the store one of its own, with mode 0700");
}

}  // namespace

Result<void> make_embedded_folder(const Config& config) {
  const auto store = config.sqlite_path();
  if (!store) return {};
  if (!config.embedded_dir.empty()) {
    std::error_code error;
    fs::create_directories(config.embedded_dir, error);
    if (error)
      return failure(Errc::invalid_argument, fmt::format("cannot make {}: {}", config.embedded_dir, error.message()));
  }
  keep_folder_private(*store);
  return {};
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
