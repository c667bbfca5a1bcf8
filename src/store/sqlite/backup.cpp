#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "store/sqlite/database.hpp"
#include "store/sqlite/private_files.hpp"
#include "store/sqlite/schema.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace pebbles::store {
namespace sqlite {
namespace {

/// Writes every row as of one moment into a new file. Not a copy of the pages: in a file that an earlier version wrote,
/// those have more than the rows, such as what was deleted.
void copy_rows(const Connection& from, std::string_view to) { from.prepare("VACUUM INTO ?").execute(to); }

Result<void> sync(const std::filesystem::path& file_or_folder) {
  const int descriptor = ::open(file_or_folder.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int why = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (synced) return {};
  return failure(Errc::store_unavailable,
                 fmt::format("cannot sync {}: {}", file_or_folder.string(), std::generic_category().message(why)));
}

}  // namespace
}  // namespace sqlite

Result<std::uintmax_t> compact_sqlite(const SqliteOptions& options) {
  PEBBLES_TRY(lock, sqlite::FileLock::take(options.path));
  static_cast<void>(lock);  // held to the end
  return sqlite::guarded(
      [&] {
        const auto connection = sqlite::open_writer({.path = options.path, .vfs = options.vfs});
        connection.execute("VACUUM");
        const int code =
            sqlite3_wal_checkpoint_v2(connection.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
        if (code != SQLITE_OK) throw sqlite::Failure{code, sqlite3_errmsg(connection.get())};
        return std::filesystem::file_size(options.path);
      },
      options.path);
}

Result<std::uintmax_t> backup_sqlite(const SqliteOptions& options, const std::string& to) {
  namespace fs = std::filesystem;
  if (!fs::exists(options.path)) return failure(Errc::not_found, fmt::format("there is no file {}", options.path));
  if (fs::exists(to)) return failure(Errc::invalid_argument, fmt::format("{} is there already", to));
  const auto folder = fs::absolute(to).parent_path();
  if (!fs::is_directory(folder))
    return failure(Errc::not_found, fmt::format("there is no folder {}: make it first", folder.string()));
  const auto partial = to + ".partial";
  std::error_code error;
  fs::remove(partial, error);  // of a backup that was interrupted
  // Only reads, so that it never checkpoints the log of a running server.
  auto copied = sqlite::guarded(
      [&] {
        const auto from = sqlite::open_reader({.path = options.path, .vfs = options.vfs});
        sqlite::create_private_file(partial);
        sqlite::copy_rows(from, partial);
        return fs::file_size(partial);
      },
      options.path);
  if (copied)
    if (const auto synced = sqlite::sync(partial); !synced) copied = std::unexpected{synced.error()};
  if (copied) fs::rename(partial, to, error);
  if (!copied || error) {
    const auto why = error;
    fs::remove(partial, error);
    if (!copied) return copied;
    return failure(Errc::store_unavailable, fmt::format("cannot make {}: {}", to, why.message()));
  }
  PEBBLES_TRY_VOID(sqlite::sync(folder));
  return copied;
}

}  // namespace pebbles::store
