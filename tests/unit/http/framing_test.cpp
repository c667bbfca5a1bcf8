#include <gtest/gtest.h>

#include <string>

#include "http/authority.hpp"
#include "http/request_parser.hpp"
#include "http/target.hpp"

namespace pebbles::http {
namespace {

struct HeadCase {
  std::string_view head;  ///< without the line ends of its last line and the empty one
  int status = 0;
  std::string_view why = {};
};

class Heads : public ::testing::TestWithParam<HeadCase> {};

TEST_P(Heads, AreJudgedByTheLetter) {
  std::string head{GetParam().head};
  head += "\r\n\r\n";
  RequestParser parser;
  const auto refusal = parser.parse_head(head, {});
  EXPECT_EQ(refusal.status, GetParam().status) << head;
  EXPECT_NE(refusal.why.find(GetParam().why), std::string_view::npos) << refusal.why;
}

constexpr HeadCase head_cases[] = {
    // Versions: RFC 9110, section 2.5.
    {.head = "GET / HTTP/1.0"},
    {.head = "GET / HTTP/1.1\r\nHost: h"},
    {.head = "GET / HTTP/1.2\r\nHost: h"},
    {.head = "GET / HTTP/1.9\r\nHost: h"},
    {.head = "GET / HTTP/1.9", .status = 400, .why = "Host"},
    {.head = "GET / HTTP/2.0\r\nHost: h", .status = 505},
    {.head = "GET / HTTP/0.9\r\nHost: h", .status = 505},
    {.head = "GET / HTTP/1.10\r\nHost: h", .status = 400},
    {.head = "GET / HTTP/1.\r\nHost: h", .status = 400},
    {.head = "GET / http/1.1\r\nHost: h", .status = 400},
    // Request lines: RFC 9112, section 3.
    {.head = "GET /a b HTTP/1.1\r\nHost: h", .status = 400, .why = "single spaces"},
    {.head = "GET /a b HTTP/1.2\r\nHost: h", .status = 400},
    {.head = "GET  / HTTP/1.1\r\nHost: h", .status = 400},
    {.head = "GET / HTTP/1.1 \r\nHost: h", .status = 400},
    // Host: RFC 9112, section 3.2, and RFC 3986, section 3.2.2.
    {.head = "GET / HTTP/1.1\r\nHost:"},
    {.head = "GET / HTTP/1.1\r\nHost: example.com:8081"},
    {.head = "GET / HTTP/1.1\r\nHost: example.com:"},
    {.head = "GET / HTTP/1.1\r\nHost: [::1]:80"},
    {.head = "GET / HTTP/1.1\r\nHost: a_b.c~d%20!"},
    {.head = "GET / HTTP/1.1\r\nHost: a b", .status = 400, .why = "Host"},
    {.head = "GET / HTTP/1.1\r\nHost: a/b", .status = 400, .why = "Host"},
    {.head = "GET / HTTP/1.1\r\nHost: me@h", .status = 400, .why = "Host"},
    {.head = "GET / HTTP/1.1\r\nHost: h:80a", .status = 400, .why = "Host"},
    {.head = "GET / HTTP/1.1\r\nHost: [::1", .status = 400, .why = "Host"},
    {.head = "GET / HTTP/1.1\r\nHost: \xc3\xa4", .status = 400},
    {.head = "GET / HTTP/1.1\r\nHost: h, i", .status = 400, .why = "Host"},
    // Codings: RFC 9112, section 6.1.
    {.head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked"},
    {.head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip", .status = 501, .why = "only chunked"},
    {.head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked", .status = 501, .why = "only chunked"},
    {.head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked", .status = 501, .why = "only chunked"},
    {.head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip", .status = 400},
    {.head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked", .status = 400},
    {.head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\nContent-Length: 1", .status = 400},
    {.head = "POST / HTTP/1.0\r\nTransfer-Encoding: gzip", .status = 400},
};

INSTANTIATE_TEST_SUITE_P(Http, Heads, ::testing::ValuesIn(head_cases));

TEST(Authority, IsAHostWithAnOptionalPort) {
  for (const auto* text : {"h", "127.0.0.1:1", "[2001:db8::1]", "h:", "EXAMPLE.com", "a%41"})
    EXPECT_TRUE(is_authority(text)) << text;
  for (const auto* text : {" ", "a b", "a@b", "h:x", "[::1", "::1", "a?b", "a#b", "%zz"})
    EXPECT_FALSE(is_authority(text)) << text;
}

TEST(Target, AbsoluteFormNeedsNoPath) {
  struct Case {
    std::string_view raw;
    std::vector<std::string> path;
  };
  const Case cases[] = {{.raw = "http://h", .path = {""}},
                        {.raw = "http://h/", .path = {""}},
                        {.raw = "HTTPS://h:1?x=1", .path = {""}},
                        {.raw = "http://[::1]/a/b", .path = {"a", "b"}}};
  for (const auto& [raw, path] : cases) {
    const auto target = parse_target(raw);
    ASSERT_TRUE(target) << raw;
    EXPECT_EQ(target->path, path) << raw;
  }
  EXPECT_EQ(*parse_target("http://h?x=1")->parameter("x"), "1");
  for (const auto* raw : {"http://", "http:///a", "http://a b/c", "http://u@h/", "h", "*", "?x", "ftp://h/"})
    EXPECT_FALSE(parse_target(raw)) << raw;
}

TEST(Target, AFaultSaysWhatIsWrongAndWhere) {
  struct Case {
    std::string_view raw;
    std::string_view why;
  };
  constexpr Case cases[] = {
      {.raw = "/a?filename=caf%FC", .why = "filename is not UTF-8 once its percent escapes are decoded"},
      {.raw = "/a?x=1&filename=%zz", .why = "filename has a % without two hexadecimal digits"},
      {.raw = "/a?filename=%00", .why = "filename has a NUL character"},
      {.raw = "/a?%FC=1", .why = "a name is not UTF-8"},
      {.raw = "/a%FC", .why = "Invalid path: a part of it is not UTF-8"},
      {.raw = "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", .why = "more than 16 parts"},
  };
  for (const auto& [raw, why] : cases) {
    const auto target = parse_target(raw);
    ASSERT_FALSE(target) << raw;
    EXPECT_NE(target.error().find(why), std::string::npos) << target.error();
  }
}

}  // namespace
}  // namespace pebbles::http
