#include "store/sqlite/sqlite_store.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "store/sqlite/database.hpp"
#include "store/sqlite/private_files.hpp"

namespace pebbles::store {
namespace sqlite {

Result<FileLock> FileLock::take(const std::string& path) {
  const std::string name = path + "-lock";
  const int descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return failure(Errc::store_unavailable,
                   fmt::format("cannot open {}: {}", name, std::generic_category().message(errno)));
  FileLock lock{descriptor};
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0)
    return failure(Errc::store_unavailable, fmt::format("{} is in use by another process", path));
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

namespace {

class OpenStore final : public SqliteStore {
 public:
  OpenStore(FileLock lock, const std::shared_ptr<Shared>& shared)
      : lock_{std::move(lock)},
        shared_{shared},
        writer_{make_writer(shared)},
        reader_{make_reader(shared)},
        pruner_{make_pruner(shared)} {}

  std::unique_ptr<EventStore> writer() override { return std::move(writer_); }
  ProgressReader& reader() override { return *reader_; }
  Pruner& pruner() override { return *pruner_; }
  void on_upkeep(std::function<void()> wake) override { shared_->jobs.on_job(std::move(wake)); }
  StoreState state() const override {
    const auto in_use = std::min(shared_->readers_in_use.load(), shared_->options.readers);
    return {.kind = "sqlite",
            .in_use = in_use,
            .idle = shared_->options.readers - in_use,
            .waiting = shared_->readers_waiting.load(),
            .refuses_commits = shared_->refusal.why()};
  }

 private:
  FileLock lock_;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<EventStore> writer_;
  std::unique_ptr<ProgressReader> reader_;
  std::unique_ptr<Pruner> pruner_;
};

}  // namespace
}  // namespace sqlite

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(SqliteOptions options) {
  PEBBLES_TRY(lock, sqlite::FileLock::take(options.path));
  if (options.vfs.empty()) {
    sqlite::create_private_file(options.path);
    sqlite::keep_private(options.path);
  }
  auto shared = std::make_shared<sqlite::Shared>(std::move(options));
  return sqlite::guarded(
      [&]() -> std::unique_ptr<SqliteStore> { return std::make_unique<sqlite::OpenStore>(std::move(lock), shared); },
      shared->options.path);
}

}  // namespace pebbles::store
