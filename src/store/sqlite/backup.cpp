#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "store/sqlite/schema.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace pebbles::store {
namespace sqlite {
namespace {

/// Copies every page as of one moment. In one step, because a copy in several begins again with each commit.
void copy_pages(const Connection& from, const Connection& to) {
  auto* const copying = sqlite3_backup_init(to.get(), "main", from.get(), "main");
  if (copying == nullptr) throw Failure{sqlite3_extended_errcode(to.get()), sqlite3_errmsg(to.get())};
  const int copied = sqlite3_backup_step(copying, -1);
  const int finished = sqlite3_backup_finish(copying);
  if (copied == SQLITE_DONE && finished == SQLITE_OK) return;
  const int code = finished != SQLITE_OK ? finished : copied;
  throw Failure{code, sqlite3_errstr(code)};
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int why = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (synced) return {};
  return failure(Errc::store_unavailable,
                 fmt::format("cannot sync {}: {}", folder.string(), std::generic_category().message(why)));
}

}  // namespace
}  // namespace sqlite

Result<std::uintmax_t> backup_sqlite(const SqliteOptions& options, const std::string& to) {
  namespace fs = std::filesystem;
  if (!fs::exists(options.path)) return failure(Errc::not_found, fmt::format("there is no file {}", options.path));
  if (fs::exists(to)) return failure(Errc::invalid_argument, fmt::format("{} is there already", to));
  const auto partial = to + ".partial";
  std::error_code error;
  fs::remove(partial, error);  // of a backup that was interrupted
  // Only reads, so that it never checkpoints the log of a running server.
  auto copied = sqlite::guarded(
      [&] {
        const auto from = sqlite::open_reader({.path = options.path, .vfs = options.vfs});
        const sqlite::Connection copy{partial, {}, sqlite::Access::read_write};
        copy.execute("PRAGMA synchronous=EXTRA");
        sqlite::copy_pages(from, copy);
        return fs::file_size(partial);
      },
      options.path);
  if (copied) fs::rename(partial, to, error);
  if (!copied || error) {
    const auto why = error;
    fs::remove(partial, error);
    if (!copied) return copied;
    return failure(Errc::store_unavailable, fmt::format("cannot make {}: {}", to, why.message()));
  }
  PEBBLES_TRY_VOID(sqlite::sync_folder(fs::absolute(to).parent_path()));
  return copied;
}

}  // namespace pebbles::store
