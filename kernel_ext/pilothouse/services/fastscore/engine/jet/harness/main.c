/* The line protocol of a jet around a C model. ACTIONS and DISPATCH are made for it:
   ACTIONS declares its action functions, DISPATCH calls the one of a slot. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastscore.h"

extern void begin(void) __attribute__((weak));
extern void end(void) __attribute__((weak));
ACTIONS

static FILE *replies;

static void line(const char *word, const char *text)
{
    fprintf(replies, "%s %s\n", word, text);
}

void emit(int slot, const char *json)
{
    const char *c;
    fprintf(replies, "emit %d ", slot);
    for (c = json; *c; c++)
        fputc(*c == '\n' || *c == '\r' ? ' ' : *c, replies);
    fputc('\n', replies);
}

void fail(const char *reason)
{
    fputs("error \"", replies);
    for (; *reason; reason++)
        if (*reason == '"' || *reason == '\\')
            fprintf(replies, "\\%c", *reason);
        else
            fputc((unsigned char)*reason < ' ' ? ' ' : *reason, replies);
    fputs("\"\n", replies);
    fflush(replies);
    exit(1);
}

int main(int argc, char **argv)
{
    char *text = NULL, *rest;
    size_t size = 0;
    ssize_t length;
    FILE *requests = fdopen(atoi(argv[1]), "r");

    replies = fdopen(atoi(argv[2]), "w");
    if (argc != 3 || !requests || !replies)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((length = getline(&text, &size, requests)) > 0) {
        if (text[length - 1] == '\n')
            text[length - 1] = '\0';
        if (!strcmp(text, "begin")) {
            if (begin)
                begin();
        } else if (!strcmp(text, "end")) {
            if (end)
                end();
        } else if (!strncmp(text, "action ", 7)) {
            int slot = (int)strtol(text + 7, &rest, 10);
            long seqno = strtol(rest, &rest, 10);
            const char *json = *rest ? rest + 1 : rest;
            switch (slot) {
            DISPATCH
            default:
                fail("no action for this slot");
            }
        }
        line("done", "");
        fflush(stdout);
        fflush(replies);
    }
    free(text);
    return 0;
}
