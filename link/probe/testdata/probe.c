/*
 * A probe in C: what firmware without an operating system has to do, on mbedTLS.
 *
 *   probe roof.crt roof.key root.crt logger
 *
 * The serial line is standard input and output. It does the handshake, waits to
 * be asked, answers, and sends one batch of three frames, until it is told that
 * the batch has come. docs/probe.md describes the line and the messages.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/timing.h>

enum { MOST = 2048, MTU = 256 };

/* --- the line: COBS(datagram, CRC-16), and a zero byte --- */

static uint16_t crc16(const uint8_t *b, size_t n) {
    uint16_t crc = 0xFFFF;
    while (n--) {
        crc ^= (uint16_t)(*b++ << 8);
        for (int i = 0; i < 8; i++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

static int line_send(void *ctx, const unsigned char *datagram, size_t n) {
    static uint8_t plain[MOST + 2], coded[2 * MOST];
    (void)ctx;
    if (n > MOST)
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    uint16_t crc = crc16(datagram, n);
    memcpy(plain, datagram, n);
    plain[n] = (uint8_t)(crc >> 8);
    plain[n + 1] = (uint8_t)crc;
    size_t out = 1, code = 0;
    for (size_t i = 0; i < n + 2; i++) {
        if (plain[i] != 0)
            coded[out++] = plain[i];
        if (plain[i] == 0 || (out - code == 255 && i < n + 1)) {
            coded[code] = (uint8_t)(out - code);
            code = out++;
        }
    }
    coded[code] = (uint8_t)(out - code);
    coded[out++] = 0;
    for (size_t at = 0; at < out;) {
        ssize_t k = write(1, coded + at, out - at);
        if (k <= 0)
            return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        at += (size_t)k;
    }
    return (int)n;
}

/* decode undoes the coding; -1: the line has damaged it. */
static int decode(const uint8_t *in, size_t n, uint8_t *out) {
    size_t have = 0;
    for (size_t at = 0; at < n;) {
        size_t code = in[at];
        if (code == 0 || at + code > n)
            return -1;
        memcpy(out + have, in + at + 1, code - 1);
        have += code - 1;
        at += code;
        if (code < 255 && at < n)
            out[have++] = 0;
    }
    if (have < 2 || crc16(out, have - 2) != (out[have - 2] << 8 | out[have - 1]))
        return -1;
    return (int)have - 2;
}

static int line_receive(void *ctx, unsigned char *to, size_t room, uint32_t ms) {
    static uint8_t frame[MOST + 16], plain[MOST + 16];
    static size_t have;
    (void)ctx;
    for (;;) {
        struct pollfd p = {.fd = 0, .events = POLLIN};
        int is = poll(&p, 1, ms == 0 ? -1 : (int)ms);
        if (is == 0)
            return MBEDTLS_ERR_SSL_TIMEOUT;
        uint8_t b;
        if (is < 0 || read(0, &b, 1) != 1)
            return MBEDTLS_ERR_SSL_CONN_EOF;
        if (b != 0) {
            if (have < sizeof frame)
                frame[have] = b;
            have++;
            continue;
        }
        size_t n = have;
        have = 0;
        if (n == 0 || n > sizeof frame)
            continue;
        int size = decode(frame, n, plain);
        if (size < 0 || (size_t)size > room)
            continue;
        memcpy(to, plain, (size_t)size);
        return size;
    }
}

/* --- the messages --- */

static uint64_t micros(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint8_t *fixed(uint8_t *p, uint64_t v) {
    for (int i = 0; i < 8; i++)
        *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

static uint64_t number(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static uint8_t *varint(uint8_t *p, uint64_t v) {
    for (; v >= 128; v >>= 7)
        *p++ = (uint8_t)(v | 128);
    *p++ = (uint8_t)v;
    return p;
}

enum { FRAMES = 3 };
static uint64_t boot; /* random with each start, and not 0 */
static uint64_t began; /* of the batch */

static size_t echo(uint8_t *to, uint64_t nonce, uint64_t lowest) {
    uint8_t *p = to;
    *p++ = 1;
    p = fixed(fixed(fixed(p, boot), nonce), micros());
    p = fixed(fixed(p, lowest), 1);         /* the oldest batch, the next one */
    p = fixed(fixed(p, FRAMES), lowest * FRAMES); /* the next event, the first unconfirmed one */
    return (size_t)(p - to);
}

static size_t batch(uint8_t *to) {
    uint8_t *p = to;
    *p++ = 3;
    p = varint(varint(varint(p, 0), 0), began);
    for (uint8_t i = 0; i < FRAMES; i++) {
        *p++ = 0;              /* flags: a classic data frame of 11 bits */
        p = varint(p, i != 0); /* µs behind the one before */
        *p++ = 0x23;
        *p++ = 0x01;
        *p++ = 8;
        p = fixed(p, i);
    }
    return (size_t)(p - to);
}

static mbedtls_ssl_context ssl;

static int say(const uint8_t *b, size_t n) {
    int err = mbedtls_ssl_write(&ssl, b, n);
    return err < 0 ? err : 0;
}

/* talk answers the logger until it has the batch. */
static int talk(void) {
    uint8_t b[MOST], out[MTU];
    int err = say(out, echo(out, 0, 0));
    while (err == 0) {
        int n = mbedtls_ssl_read(&ssl, b, sizeof b);
        if (n == MBEDTLS_ERR_SSL_TIMEOUT || n == MBEDTLS_ERR_SSL_WANT_READ)
            continue;
        if (n < 0)
            return n;
        if (n < 25 || b[0] != 2)
            continue;
        uint64_t known = number(b + 1), nonce = number(b + 9), want = number(b + 17);
        int has = known == boot && want == 1;
        err = say(out, echo(out, nonce, (uint64_t)has));
        if (has && err == 0)
            return 0;
        if (err == 0 && known == boot)
            err = say(out, batch(out));
    }
    return err;
}

static int fail(const char *what, int err) {
    char text[200];
    mbedtls_strerror(err, text, sizeof text);
    fprintf(stderr, "%s: %s (-0x%04X)\n", what, text, (unsigned)-err);
    return 1;
}

int main(int argc, char **argv) {
    static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0};
    static mbedtls_entropy_context entropy;
    static mbedtls_ctr_drbg_context random;
    static mbedtls_ssl_config conf;
    static mbedtls_x509_crt own, root;
    static mbedtls_pk_context key;
    static mbedtls_timing_delay_context timer;
    int err;

    if (argc != 5) {
        fprintf(stderr, "probe CERTIFICATE KEY ROOT LOGGER\n");
        return 2;
    }
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_ssl_config_init(&conf);
    mbedtls_ssl_init(&ssl);
    mbedtls_x509_crt_init(&own);
    mbedtls_x509_crt_init(&root);
    mbedtls_pk_init(&key);
    if ((err = mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0)) != 0)
        return fail("random numbers", err);
    if ((err = mbedtls_x509_crt_parse_file(&own, argv[1])) != 0 || (err = mbedtls_pk_parse_keyfile(&key, argv[2], NULL)) != 0 ||
        (err = mbedtls_x509_crt_parse_file(&root, argv[3])) != 0)
        return fail("certificates", err);
    if ((err = mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT)) != 0)
        return fail("configuration", err);
    mbedtls_ssl_conf_rng(&conf, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_ciphersuites(&conf, suites);
    mbedtls_ssl_conf_min_version(&conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_authmode(&conf, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&conf, &root, NULL);
    mbedtls_ssl_conf_handshake_timeout(&conf, 400, 10000);
    mbedtls_ssl_conf_read_timeout(&conf, 1000);
    if ((err = mbedtls_ssl_conf_own_cert(&conf, &own, &key)) != 0 || (err = mbedtls_ssl_setup(&ssl, &conf)) != 0 ||
        (err = mbedtls_ssl_set_hostname(&ssl, argv[4])) != 0)
        return fail("configuration", err);
    mbedtls_ssl_set_mtu(&ssl, MTU);
    mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
    mbedtls_ssl_set_bio(&ssl, NULL, line_send, NULL, line_receive);

    if ((err = mbedtls_ctr_drbg_random(&random, (unsigned char *)&boot, sizeof boot)) != 0)
        return fail("random numbers", err);
    boot |= 1;
    uint64_t begun = micros();
    while ((err = mbedtls_ssl_handshake(&ssl)) == MBEDTLS_ERR_SSL_WANT_READ || err == MBEDTLS_ERR_SSL_WANT_WRITE)
        ;
    if (err != 0)
        return fail("handshake", err);
    fprintf(stderr, "handshake: %s, %llu us\n", mbedtls_ssl_get_ciphersuite(&ssl), (unsigned long long)(micros() - begun));
    began = micros();
    if ((err = talk()) != 0)
        return fail("the link", err);
    mbedtls_ssl_close_notify(&ssl);
    return 0;
}
