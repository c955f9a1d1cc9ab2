/* What a C model sees; included before its first line.

   The model defines   void action(const char *json, int slot, long seqno);
   and may define      void begin(void);   void end(void);
   It puts out a record with   emit(slot, json);   json is one line of JSON text. */
#ifndef FASTSCORE_H
#define FASTSCORE_H

#ifdef __cplusplus
extern "C" {
#endif

void emit(int slot, const char *json);
void fail(const char *reason);

#ifdef __cplusplus
}
#endif

#endif
