#include "store/sqlite/private_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "telemetry/telemetry.hpp"

namespace pebbles::store::sqlite {
namespace {

constexpr mode_t owners_alone = S_IRUSR | S_IWUSR;
constexpr mode_t others = S_IRWXG | S_IRWXO;

}  // namespace

void create_private_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, owners_alone);
  if (descriptor < 0) return;
  ::fchmod(descriptor, owners_alone);  // a umask may take away from the owner too
  ::close(descriptor);
}

void keep_private(const std::string& path) {
  for (const auto* const ending : {"", "-wal", "-shm", "-journal", "-lock"}) {
    const auto file = path + ending;
    struct stat found{};
    if (::stat(file.c_str(), &found) != 0 || !S_ISREG(found.st_mode) || (found.st_mode & others) == 0) continue;
    if (::chmod(file.c_str(), owners_alone) != 0)
      telemetry::store_file_open(file, std::generic_category().message(errno));
  }
}

}  // namespace pebbles::store::sqlite
