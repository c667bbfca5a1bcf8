#include <gtest/gtest.h>
#include <zlib.h>

#include "http/cors.hpp"
#include "http/gzip.hpp"

namespace pebbles::http {
namespace {

TEST(Gzip, IsSentToWhoPrefersIt) {
  for (const auto* yes : {"gzip", "GZIP", "x-gzip", "deflate, gzip", "gzip;q=1.0, identity;q=0.5", "*", "*;q=0.1",
                          "br;q=1, gzip;q=0.001", "gzip ; q=1", "identity;q=0, *", " gzip ,", "gzip;q=1."})
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  for (const auto* no :
       {"", "identity", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=0, *", "gzip;q=0.5, identity", "gzip;q=2",
        "gzip;q=-1", "gzip;q=x", "gzip;level=9", "notgzip", ",", "gzip;q=1.001"})
    EXPECT_FALSE(accepts_gzip(no)) << no;
}

std::string inflated(const std::string& compressed) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(1 << 22, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Gzip, GivesTheBodyBack) {
  std::string noise;
  for (unsigned i = 0, x = 1; i < 100'000; ++i) noise += static_cast<char>((x = x * 1'664'525 + 1'013'904'223) >> 24);
  for (const auto& body : {std::string{}, std::string{"x"}, std::string(1'000'000, 'a'), noise})
    EXPECT_EQ(inflated(gzip(body)), body);
}

TEST(Gzip, MakesTheTagWeak) {
  Response response{.status = 200, .content_type = json_type, .headers = {}, .body = std::string(2000, ' ')};
  add_header(response, "ETag", "\"a\"");
  put_gzip(response, "compressed");
  EXPECT_EQ(response.headers, "ETag: W/\"a\"\r\nContent-Encoding: gzip\r\n");
}

TEST(Cors, TellsPoliciesFromNonsense) {
  for (const auto* good : {"*", "none", "https://a.example", "http://127.0.0.1:8080, https://b.example:1"})
    EXPECT_TRUE(CorsPolicy::parse(good)) << good;
  for (const auto* bad : {"", "a.example", "https://", "https://a.example/", "https://a.example/x", "https://A.example",
                          "https://u@a.example", "*,https://a.example", "https://a.example,,https://b.example",
                          "ftp://a.example", "null", "https://*.example/?"})
    EXPECT_FALSE(CorsPolicy::parse(bad)) << bad;
}

std::string headers_for(const CorsPolicy& policy, std::string_view origin) {
  Response out;
  policy.allow(out, origin);
  return out.headers;
}

TEST(Cors, AllowsOriginsByteByByte) {
  const CorsPolicy any;
  EXPECT_EQ(headers_for(any, ""), "");
  EXPECT_TRUE(headers_for(any, "https://x.example").starts_with("Access-Control-Allow-Origin: *\r\n"));
  const auto listed = CorsPolicy::parse("https://a.example, https://b.example").value();
  EXPECT_TRUE(headers_for(listed, "https://b.example")
                  .starts_with("Vary: Origin\r\nAccess-Control-Allow-Origin: https://b.example\r\n"));
  for (const auto* origin : {"", "null", "https://c.example", "http://a.example", "https://a.example.evil.example",
                             "https://a.example:443", "https://A.example"})
    EXPECT_EQ(headers_for(listed, origin), "Vary: Origin\r\n") << origin;
  EXPECT_EQ(headers_for(CorsPolicy::parse("none").value(), "https://a.example"), "");
}

}  // namespace
}  // namespace pebbles::http
