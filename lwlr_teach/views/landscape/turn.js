// A landscape turned about: where its points lie on the paper, and in which order its cells are painted.

// Degrees about the upright axis, and degrees from which one looks down: 90 is a map. Points are in −1 … 1, heights in
// 0 … 1; the paper has x to the right and y down, and `away` grows with the distance from the eye.
/**
 * @param {number} yaw
 * @param {number} tilt
 * @returns {(x: number, y: number, z: number) => [number, number, number]}
 */
export function turned(yaw, tilt) {
  const [a, b] = [yaw, tilt].map((degrees) => (degrees * Math.PI) / 180);
  const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
  return (x, y, z) => {
    const [right, back] = [x * ca + y * sa, y * ca - x * sa];
    return [right, -back * sb - z * cb, back * cb - z * sb];
  };
}

// The indices 0 … n − 1 from the far end to the near one, where `slope` says how far a step along the axis leads away.
/**
 * @param {number} n
 * @param {number} slope
 */
export const fromAfar = (n, slope) => Array.from({ length: n }, (_, i) => (slope > 0 ? n - 1 - i : i));
