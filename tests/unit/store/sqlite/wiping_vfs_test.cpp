#include "store/sqlite/wiping_vfs.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "store/sqlite/connection.hpp"

namespace pebbles::store::sqlite {
namespace {

using Page = std::array<std::uint8_t, page_bytes>;

Page page_of(std::size_t header, std::uint8_t kind, std::uint16_t rows, std::uint16_t content) {
  Page out;
  out.fill(0xee);
  out[header] = kind;
  out[header + 3] = static_cast<std::uint8_t>(rows >> 8U);
  out[header + 4] = static_cast<std::uint8_t>(rows);
  out[header + 5] = static_cast<std::uint8_t>(content >> 8U);
  out[header + 6] = static_cast<std::uint8_t>(content);
  return out;
}

struct UnusedCase {
  std::string name;
  Page page;
  bool is_first = false;
  std::size_t begin = 0;
  std::size_t end = 0;  ///< equal to `begin`: nothing is unused
};

class UnusedBytes : public testing::TestWithParam<UnusedCase> {};

TEST_P(UnusedBytes, AreThoseBetweenPointersAndRows) {
  auto page = GetParam().page;
  const auto unused = unused_bytes(page, GetParam().is_first);
  EXPECT_EQ(unused.size(), GetParam().end - GetParam().begin);
  if (unused.empty()) return;
  EXPECT_EQ(unused.data() - page.data(), static_cast<std::ptrdiff_t>(GetParam().begin));
}

INSTANTIATE_TEST_SUITE_P(Pages, UnusedBytes,
                         testing::Values(UnusedCase{"TableLeaf", page_of(0, 13, 3, 1000), false, 14, 1000},
                                         UnusedCase{"IndexLeaf", page_of(0, 10, 0, 4096), false, 8, 4096},
                                         UnusedCase{"TableInterior", page_of(0, 5, 2, 4000), false, 16, 4000},
                                         UnusedCase{"IndexInterior", page_of(0, 2, 2, 4000), false, 16, 4000},
                                         UnusedCase{"First", page_of(100, 13, 5, 3000), true, 118, 3000},
                                         UnusedCase{"Full", page_of(0, 13, 10, 28), false},
                                         UnusedCase{"Overflow", page_of(0, 0, 3, 1000)},
                                         UnusedCase{"OfAnotherKind", page_of(0, 12, 3, 1000)},
                                         UnusedCase{"ContentBeforePointers", page_of(0, 13, 600, 1000)},
                                         UnusedCase{"ContentBehindTheEnd", page_of(0, 13, 3, 4097)},
                                         UnusedCase{"ContentAtZero", page_of(0, 13, 3, 0)},
                                         UnusedCase{"MostRows", page_of(0, 13, 0xffff, 0xffff)}),
                         [](const auto& test) { return test.param.name; });

/// Two trees whose rows have all sizes, are written again and again, and are deleted by the half: balancing them leaves
/// copies of rows where they were before. Gives how often a deleted one is in the file then.
std::size_t copies_left(const std::string& path, const std::string& vfs) {
  const Connection connection{path, vfs, Access::read_write};
  for (const auto* const sql : {"PRAGMA page_size=4096", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF",
                                "PRAGMA secure_delete=ON", "CREATE TABLE items(stream INTEGER PRIMARY KEY, texts TEXT)",
                                "CREATE TABLE owners(stream INTEGER PRIMARY KEY, email TEXT, at INTEGER)",
                                "CREATE INDEX by_owner ON owners(email, at)"})
    connection.execute(sql);
  auto put_items = connection.prepare("INSERT OR REPLACE INTO items VALUES(?,?)");
  auto put_owner = connection.prepare("INSERT OR REPLACE INTO owners VALUES(?,?,?)");
  std::mt19937 random{7};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  constexpr std::int64_t streams = 600;
  for (int round = 0; round < 5; ++round)
    for (std::int64_t place = 0; place < streams; ++place) {
      const auto stream = static_cast<std::int64_t>(random() % streams);
      const auto word = fmt::format("{}{:04}.", stream % 2 == 0 ? "gone" : "kept", stream);
      std::string texts;
      for (auto times = random() % 60; times > 0; --times) texts += word;
      put_items.execute(stream, std::string_view{texts});
      const auto email = fmt::format("{}{}", random() % 1000, word);
      put_owner.execute(stream, std::string_view{email}, place);
    }
  connection.execute("DELETE FROM items WHERE stream%2=0");
  connection.execute("DELETE FROM owners WHERE stream%2=0");
  EXPECT_EQ(connection.integer_of("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check<>'ok'"), 0);
  connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  EXPECT_EQ(connection.integer_of("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check<>'ok'"), 0);
  std::ifstream in{path, std::ios::binary};
  const std::string bytes{std::istreambuf_iterator<char>{in}, {}};
  EXPECT_TRUE(bytes.contains("kept"));
  std::size_t out = 0;
  for (auto at = bytes.find("gone"); at != std::string::npos; at = bytes.find("gone", at + 1)) ++out;
  return out;
}

class WipingVfs : public testing::Test {
 protected:
  WipingVfs() {
    std::string name = std::filesystem::temp_directory_path() / "pebbles-wiping-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    folder = name;
  }
  ~WipingVfs() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

TEST_F(WipingVfs, LeavesNothingOfRowsThatWereMovedAndThenDeleted) {
  (void)Connection{":memory:", {}, Access::read_write};  // SQLite begins in our way
  EXPECT_GT(copies_left(folder / "plain.db", {}), 0U) << "nothing to wipe: this proves nothing";
  EXPECT_EQ(copies_left(folder / "wiped.db", wiping_vfs({})), 0U);
}

TEST_F(WipingVfs, IsOnePerBase) {
  EXPECT_EQ(wiping_vfs({}), wiping_vfs({}));
  EXPECT_NE(wiping_vfs({}), wiping_vfs("unix-excl"));
  EXPECT_THROW((void)wiping_vfs("nothing of that name"), Failure);
}

}  // namespace
}  // namespace pebbles::store::sqlite
