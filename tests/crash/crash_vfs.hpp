#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pebbles::crash {

/// A disk that can lose its power. Passes every call on to SQLite's "unix" VFS, and remembers what each sector of a
/// database, journal or write-ahead log may still hold since the last sync, so that it can make the files that a power
/// cut at this moment could leave. What is not synced reaches a disk in any order, in part, or not at all.
/// Names of files live in the folder, which has a sync of its own: SQLite syncs it with the first sync of a journal or
/// log that it created. Until then a created file may be missing, and a deleted one may come back as it was.
/// Threads: one. Lifetime: outlives every connection that uses it.
class CrashVfs {
 public:
  enum class Call : std::uint8_t { write, sync, truncate };
  enum class Moment : std::uint8_t { before, after };

  /// Registers itself with SQLite. `sector_bytes`: what the disk writes as one, if it is not torn.
  explicit CrashVfs(std::size_t sector_bytes);
  ~CrashVfs();
  CrashVfs(const CrashVfs&) = delete;
  CrashVfs& operator=(const CrashVfs&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Calls `hook` once, around the n-th write, sync or truncation from now (the first is 1).
  void at_call(int n, Moment moment, std::function<void()> hook);
  /// The n-th such call from now on a file whose name ends so is not done and answers `code`, once.
  void fail(Call call, int n, int code, std::string name_end = {});
  /// Takes back a failure that has not come; true if there was one.
  bool take_back_failure();
  /// From now on syncs of files whose name ends so claim success and do nothing.
  void ignore_syncs(std::string name_end) { ignored_syncs_ = std::move(name_end); }

  /// Writes what a power cut now could leave of `database` (its full path), by `seed`: copies named `destination`,
  /// with the same suffixes. The shared memory file is not on any disk, so it is not copied.
  void crash_image(std::uint64_t seed, const std::string& database, const std::string& destination) const;

 private:
  struct Content;
  struct File;
  using ContentPtr = std::shared_ptr<Content>;
  /// What a name stands for, now and after a power cut; null for no file.
  struct Entry {
    ContentPtr now;
    ContentPtr durable;
  };
  struct Hook {
    int calls_left = 0;
    Moment moment{};
    std::function<void()> call;
  };
  struct Failure {
    Call call{};
    int calls_left = 0;
    int code = SQLITE_OK;
    std::string name_end;
  };
  class Passage;

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out);
  static int remove(sqlite3_vfs* vfs, const char* path, int sync_folder);
  static int close(sqlite3_file* file);
  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset);
  static int truncate(sqlite3_file* file, sqlite3_int64 size);
  static int sync(sqlite3_file* file, int flags);
  static const sqlite3_io_methods& methods();

  [[nodiscard]] ContentPtr content_of(const std::string& path, bool existed);
  void sync_folder();
  void note_change(Content& content, std::int64_t from, std::int64_t to) const;
  [[nodiscard]] int failure_of(Call call, std::string_view path);
  void pass_hook(Moment moment);

  std::size_t sector_bytes_;
  std::string name_;
  sqlite3_vfs* unix_;
  sqlite3_vfs vfs_;
  std::map<std::string, Entry> folder_;
  std::string ignored_syncs_;
  Hook hook_;
  Failure failure_;
};

}  // namespace pebbles::crash
