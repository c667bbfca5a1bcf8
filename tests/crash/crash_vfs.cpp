#include "crash/crash_vfs.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <iterator>
#include <new>
#include <random>
#include <utility>

#include "store/sqlite/page_cache.hpp"

namespace pebbles::crash {

/// The bytes of one file.
struct CrashVfs::Content {
  std::string now;
  std::int64_t synced_size = 0;
  /// What a sector held before each change since the last sync, the synced bytes first: a disk may have written any
  /// of these, not only the first and the last.
  std::map<std::int64_t, std::vector<std::string>> earlier;
};

/// What SQLite holds as an open file; the unix VFS' own stands right behind it.
struct CrashVfs::File : sqlite3_file {
  CrashVfs* vfs = nullptr;
  ContentPtr content;  ///< null for temporary files, which no crash leaves anything of
  std::string path;
  bool first_sync_syncs_folder = false;

  [[nodiscard]] sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

/// One write, sync or truncation on its way through: the hook before it and after it.
class CrashVfs::Passage {
 public:
  explicit Passage(CrashVfs& vfs) : vfs_{vfs} {
    --vfs_.hook_.calls_left;
    vfs_.pass_hook(Moment::before);
  }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  ~Passage() { vfs_.pass_hook(Moment::after); }

 private:
  CrashVfs& vfs_;
};

namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// The first use of SQLite in the process, which the store would otherwise make in its own way.
sqlite3_vfs* system_vfs() {
  store::sqlite::spare_page_cache_walks();
  return sqlite3_vfs_find("unix");
}

}  // namespace

CrashVfs::CrashVfs(std::size_t sector_bytes) : sector_bytes_{sector_bytes}, unix_{system_vfs()}, vfs_{*unix_} {
  static std::atomic<int> number{0};
  name_ = "crash" + std::to_string(++number);
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.pNext = nullptr;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + unix_->szOsFile;
  vfs_.xOpen = open;
  vfs_.xDelete = remove;
  sqlite3_vfs_register(&vfs_, 0);
}

CrashVfs::~CrashVfs() { sqlite3_vfs_unregister(&vfs_); }

void CrashVfs::at_call(int n, Moment moment, std::function<void()> hook) {
  hook_ = {.calls_left = n, .moment = moment, .call = std::move(hook)};
}

void CrashVfs::pass_hook(Moment moment) {
  if (hook_.calls_left != 0 || hook_.moment != moment || !hook_.call) return;
  std::exchange(hook_.call, nullptr)();
}

void CrashVfs::fail(Call call, int n, int code, std::string name_end) {
  failure_ = {.call = call, .calls_left = n, .code = code, .name_end = std::move(name_end)};
}

bool CrashVfs::take_back_failure() { return std::exchange(failure_, {}).calls_left > 0; }

int CrashVfs::failure_of(Call call, std::string_view path) {
  if (failure_.calls_left == 0 || failure_.call != call || !path.ends_with(failure_.name_end)) return SQLITE_OK;
  return --failure_.calls_left == 0 ? failure_.code : SQLITE_OK;
}

// Every call but these changes nothing that a crash could lose.
const sqlite3_io_methods& CrashVfs::methods() {
  struct Pass {
    static sqlite3_file* real(sqlite3_file* file) { return static_cast<File*>(file)->real(); }
    static int read(sqlite3_file* f, void* bytes, int count, sqlite3_int64 offset) {
      return real(f)->pMethods->xRead(real(f), bytes, count, offset);
    }
    static int size(sqlite3_file* f, sqlite3_int64* out) { return real(f)->pMethods->xFileSize(real(f), out); }
    static int lock(sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); }
    static int unlock(sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
    static int is_locked(sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
    static int control(sqlite3_file* f, int what, void* arg) {
      return real(f)->pMethods->xFileControl(real(f), what, arg);
    }
    static int sector(sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); }
    static int traits(sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
    static int map(sqlite3_file* f, int page, int bytes, int extend, void volatile** out) {
      return real(f)->pMethods->xShmMap(real(f), page, bytes, extend, out);
    }
    static int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
      return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
    }
    static void barrier(sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); }
    static int unmap(sqlite3_file* f, int erase) { return real(f)->pMethods->xShmUnmap(real(f), erase); }
  };
  // Version 2: no mapping of the database into memory, which would write past this shim.
  static const sqlite3_io_methods all{2,
                                      close,
                                      Pass::read,
                                      write,
                                      truncate,
                                      sync,
                                      Pass::size,
                                      Pass::lock,
                                      Pass::unlock,
                                      Pass::is_locked,
                                      Pass::control,
                                      Pass::sector,
                                      Pass::traits,
                                      Pass::map,
                                      Pass::shm_lock,
                                      Pass::barrier,
                                      Pass::unmap,
                                      nullptr,
                                      nullptr};
  return all;
}

int CrashVfs::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* memory, int flags, int* flags_out) {
  auto& self = *static_cast<CrashVfs*>(vfs->pAppData);
  auto* file = new (memory) File;
  file->vfs = &self;
  const bool is_kept =
      path != nullptr && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
  const bool existed = is_kept && std::filesystem::exists(path);
  const int code = self.unix_->xOpen(self.unix_, path, file->real(), flags, flags_out);
  if (code != SQLITE_OK) {
    file->~File();
    memory->pMethods = nullptr;  // SQLite then does not close it
    return code;
  }
  file->pMethods = &methods();
  if (!is_kept) return code;
  file->path = path;
  file->content = self.content_of(path, existed);
  // As the unix VFS decides it. A database's own name is durable with its first journal's.
  file->first_sync_syncs_folder = (flags & SQLITE_OPEN_CREATE) != 0 && (flags & SQLITE_OPEN_MAIN_DB) == 0;
  return code;
}

CrashVfs::ContentPtr CrashVfs::content_of(const std::string& path, bool existed) {
  Entry& entry = folder_[path];
  if (entry.now) return entry.now;
  entry.now = std::make_shared<Content>();
  if (existed) {  // since before this shim: taken as synced
    entry.now->now = bytes_of(path);
    entry.now->synced_size = static_cast<std::int64_t>(entry.now->now.size());
    entry.durable = entry.now;
  }
  return entry.now;
}

int CrashVfs::remove(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  auto& self = *static_cast<CrashVfs*>(vfs->pAppData);
  const int code = self.unix_->xDelete(self.unix_, path, sync_folder);
  if (code != SQLITE_OK) return code;
  if (const auto found = self.folder_.find(path); found != self.folder_.end()) found->second.now = nullptr;
  if (sync_folder != 0) self.sync_folder();
  return code;
}

void CrashVfs::sync_folder() {
  for (auto& [path, entry] : folder_) entry.durable = entry.now;
}

int CrashVfs::close(sqlite3_file* memory) {
  auto* file = static_cast<File*>(memory);
  const int code = file->real()->pMethods->xClose(file->real());
  file->~File();
  return code;
}

/// Remembers what the sectors of these bytes hold before they change.
void CrashVfs::note_change(Content& content, std::int64_t from, std::int64_t to) const {
  constexpr std::size_t versions_max = 8;  // bounds memory where nothing is ever synced
  const auto bytes = static_cast<std::int64_t>(sector_bytes_);
  for (auto sector = from / bytes; sector * bytes < to; ++sector) {
    auto& versions = content.earlier[sector];
    if (versions.size() == versions_max) versions.erase(versions.begin() + 1);
    const auto start = std::min(static_cast<std::size_t>(sector * bytes), content.now.size());
    versions.push_back(content.now.substr(start, sector_bytes_));
    versions.back().resize(sector_bytes_);
  }
}

int CrashVfs::write(sqlite3_file* memory, const void* bytes, int count, sqlite3_int64 offset) {
  auto* file = static_cast<File*>(memory);
  auto* const real = file->real();
  if (!file->content) return real->pMethods->xWrite(real, bytes, count, offset);
  const Passage passage{*file->vfs};
  if (const int code = file->vfs->failure_of(Call::write, file->path); code != SQLITE_OK) return code;
  const int code = real->pMethods->xWrite(real, bytes, count, offset);
  if (code != SQLITE_OK) return code;
  Content& content = *file->content;
  const auto end = offset + count;
  file->vfs->note_change(content, offset, end);
  if (std::cmp_less(content.now.size(), end)) content.now.resize(static_cast<std::size_t>(end));
  content.now.replace(static_cast<std::size_t>(offset), static_cast<std::size_t>(count),
                      static_cast<const char*>(bytes), static_cast<std::size_t>(count));
  return code;
}

int CrashVfs::truncate(sqlite3_file* memory, sqlite3_int64 size) {
  auto* file = static_cast<File*>(memory);
  auto* const real = file->real();
  if (!file->content) return real->pMethods->xTruncate(real, size);
  const Passage passage{*file->vfs};
  if (const int code = file->vfs->failure_of(Call::truncate, file->path); code != SQLITE_OK) return code;
  const int code = real->pMethods->xTruncate(real, size);
  if (code != SQLITE_OK) return code;
  Content& content = *file->content;
  file->vfs->note_change(content, size, static_cast<std::int64_t>(content.now.size()));
  content.now.resize(static_cast<std::size_t>(size));
  return code;
}

int CrashVfs::sync(sqlite3_file* memory, int flags) {
  auto* file = static_cast<File*>(memory);
  auto* const real = file->real();
  if (!file->content) return real->pMethods->xSync(real, flags);
  CrashVfs& self = *file->vfs;
  const Passage passage{self};
  if (const int code = self.failure_of(Call::sync, file->path); code != SQLITE_OK) return code;
  if (!self.ignored_syncs_.empty() && file->path.ends_with(self.ignored_syncs_)) return SQLITE_OK;
  const int code = real->pMethods->xSync(real, flags);
  if (code != SQLITE_OK) return code;
  file->content->earlier.clear();
  file->content->synced_size = static_cast<std::int64_t>(file->content->now.size());
  if (std::exchange(file->first_sync_syncs_folder, false)) self.sync_folder();
  return code;
}

void CrashVfs::crash_image(std::uint64_t seed, const std::string& database, const std::string& destination) const {
  std::mt19937_64 random{seed};
  const auto one_of = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  // Some cuts lose nearly everything, some nearly nothing: both are likelier in the world than a fair coin's.
  constexpr std::array<std::size_t, 6> survivors_percent{0, 10, 50, 90, 99, 100};
  const auto survive_percent = survivors_percent[one_of(survivors_percent.size())];

  for (const auto& [path, entry] : folder_) {
    if (!path.starts_with(database)) continue;
    const ContentPtr content = one_of(2) == 0 ? entry.now : entry.durable;
    if (!content) continue;
    std::string out = content->now;
    const auto size = one_of(2) == 0 ? out.size() : static_cast<std::size_t>(content->synced_size);
    for (const auto& [sector, earlier] : content->earlier) {
      if (one_of(100) < survive_percent) continue;
      const auto start = static_cast<std::size_t>(sector) * sector_bytes_;
      if (out.size() < start + sector_bytes_) out.resize(start + sector_bytes_);
      const std::string& old = earlier[one_of(earlier.size())];
      const bool torn = one_of(4) == 0;
      const auto half = sector_bytes_ / 2;
      const auto from = torn && one_of(2) == 0 ? half : 0;
      const auto count = torn ? half : sector_bytes_;
      out.replace(start + from, count, old, from, count);
    }
    out.resize(size);
    std::ofstream{destination + path.substr(database.size()), std::ios::binary} << out;
  }
}

}  // namespace pebbles::crash
