// Run first in every engine. Takes away what measures time, and hands back the function that pins the instant and the
// dice. Short, because it is compiled for every evaluation.
((construct, Real, now, a, b, c, d) => {
  function Date(...given) {
    return new.target ? construct(Real, given.length ? given : [now], new.target) : new Real(now).toString();
  }
  Date.prototype = Real.prototype;
  Date.prototype.constructor = Date;
  Date.now = () => now;
  Date.parse = Real.parse;
  Date.UTC = Real.UTC;
  globalThis.Date = Date;

  // Marsaglia's xorshift128; two draws make the 53 bits.
  const draw = () => {
    const t = a ^ (a << 11);
    a = b;
    b = c;
    c = d;
    return (d ^= (d >>> 19) ^ t ^ (t >>> 8)) >>> 0;
  };
  Math.random = () => ((draw() >>> 5) * 67108864 + (draw() >>> 6)) / 9007199254740992;

  Promise.prototype.toJSON = () => {
    throw new TypeError("a Promise is no value: expressions cannot wait for anything");
  };
  delete globalThis.performance;
  delete globalThis.Atomics;

  return (...pins) => void ([now, a, b, c, d] = pins);
})(Reflect.construct, Date);
