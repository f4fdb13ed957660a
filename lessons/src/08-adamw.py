# %% [markdown]
# # 8 · Is weight decay the same as L2?
#
# | | |
# |---|---|
# | **Question** | To keep weights small, you can change the gradient or the weights. Is that the same? |
# | **Afterwards you can** | say what Adam makes of L2; write AdamW; say what the rate does to the decay; choose λ for each of them |
# | **Time** | 35 minutes |
# | **You need** | lesson 7 |
# | **Difficulty** | ●●○ |
#
# Every optimizer in PyTorch takes a number called `weight_decay`. For years it meant two things, and hardly anybody noticed, because in SGD they are one.

# %%
import torch
from torch.nn.functional import cross_entropy

from lwlr_teach.optim import SGD, Adam, AdamW, Method
from lwlr_teach.problems import digits, digits_task, ravine
from lwlr_teach.studies import decay_in_noise, normalised_layer, train_decays
from lwlr_teach.teaching import ask, begin, check, claim, explain, predict_choice, recall
from lwlr_teach.views import CurvesView

begin("08-adamw")

# %%
recall("08-adamw")

# %% [markdown]
# ## A spring on every weight
#
# With few data, many settings of the weights fit equally well. Of these we would like one with small weights: such a network bends less between the points that it has seen. So a spring is hung on every weight, and pulls it to 0. The further away the weight is, the harder it pulls.
#
# There are two ways to build it in. **L2** adds $\lambda p$ to the gradient, as if $\tfrac{\lambda}{2} p^2$ were part of the loss. **Weight decay** leaves the gradient alone, and multiplies the weight by $1-\eta\lambda$ in each step. For plain SGD that is the same line, written twice:
#
# $$ p - \eta\,(g + \lambda p) \;=\; (1-\eta\lambda)\,p - \eta\,g $$

# %%
valley = ravine(50, degrees=0)


def walk(make, steps=50, **settings):
    """The way down the valley with an optimizer."""
    p, way = torch.tensor([valley.start], dtype=torch.float64), []
    optimizer = make([p], **settings)
    for _ in range(steps):
        p.grad = valley.grad(p)
        optimizer.step()
        way.append(p.squeeze().clone())
    return torch.stack(way)


# %%
setting = dict(lr=0.01, weight_decay=0.5)
l2, decay = walk(SGD, **setting), walk(SGD, decoupled_weight_decay=True, **setting)
claim("SGD: L2 and weight decay go the same way.", (l2 - decay).abs().max() < 1e-12)
l2, decay = walk(Adam, **setting), walk(AdamW, **setting)
apart = (l2 - decay).norm(dim=1).max()
claim(f"Adam: they are up to {apart:.2f} apart.", apart > 0.01)

# %% [markdown]
# What is different in Adam? It divides the gradient by its usual size, $\sqrt v$. With L2 the pull of the spring is a part of the gradient. So it is divided, too.
#
# To see what that does, take away everything else. The weights below begin at 1, and their gradients are pure noise, with no direction in it. So only the spring can bring them anywhere. The rate is 0.001, λ is 0.5, and there are 3,000 steps. Weight decay leaves $(1-\eta\lambda)^{3000}$ of a weight, 22%.

# %%
noise_guess = predict_choice(
    "08-noise",
    "Adam + L2, and the noise has the size 10. How much of the weights is left?",
    ["about 22%, too", "hardly anything", "more than three quarters"],
)
noise_guess

# %% [markdown] tags=["teacher"]
# “22%, too” is the guess of those who see the noise cancel. Ask how large the pull λp is, how large the noise is, and by which of the two Adam divides.

# %% [markdown]
# Each curve is the mean of a thousand weights. **Move the slider to the last step and read off all four. Which curve of Adam + L2 is closest to AdamW's?**

# %%
sizes = [0.1, 1, 10, 100]
with_decay, with_l2 = (decay_in_noise(name, sizes) for name in ("AdamW", "Adam"))
curves = {"AdamW, any size": with_decay[0]}
curves |= {f"Adam + L2, size {s}": curve for s, curve in zip(sizes[:3], with_l2[:3], strict=True)}
CurvesView(curves, y="mean weight", title="Pure noise", at=0)

# %%
ends, exact = with_l2[:, -1], torch.exp(-1.5 / torch.tensor(sizes))  # ηλt is 1.5
factor = (1 - 0.001 * 0.5) ** 3000
claim("AdamW: the mean ends at 0.22, whatever the size.", (with_decay[:, -1] - factor).abs().max() < 0.01)
said = ", ".join(f"{end:.2f}" for end in ends[1:])
claim(f"Adam + L2: it ends at {said} for noise of the sizes 1, 10 and 100.", ends[0] < 0.02)
claim("For these sizes that is e to the minus ηλt/s, within 0.03.", (ends - exact)[1:].abs().max() < 0.03)
noise_guess.reveal(
    "more than three quarters",
    "The pull of the spring is divided by 10, the size of the noise. A tenth of the decay is left.",
)

# %% [markdown]
# So with L2 in Adam the decay is $\lambda/s$, where $s$ is the size of a weight's gradients, as long as that is larger than the pull. **Weights with large gradients hardly decay, weights with small ones decay fast.** Nobody asked for that. A network has both kinds, and one λ for all.
#
# At the other end is a weight that has no gradient at all, like that of a pixel which is always black. Its spring is alone. Adam divides the pull by its own size, and the weight walks towards 0 at about one rate a step, whatever λ is. Only with AdamW does λ count.


# %%
def silent(make, decay):
    """What is left of a weight of 1 after 50 steps without a gradient, at a rate of 0.01."""
    p = torch.ones(1, dtype=torch.float64)
    optimizer = make([p], lr=0.01, weight_decay=decay)
    for _ in range(50):
        p.grad = torch.zeros_like(p)
        optimizer.step()
    return p.item()


# %%
small, large = silent(Adam, 0.001), silent(Adam, 0.5)
claim(f"Adam + L2: λ = 0.001 leaves {small:.2f}, λ = 0.5 {large:.2f}.", abs(small - large) < 1e-3)
small, large = silent(AdamW, 0.001), silent(AdamW, 0.5)
claim(f"AdamW: λ = 0.001 leaves {small:.3f}, λ = 0.5 {large:.2f}.", abs(large - 0.995**50) < 1e-9)

# %% [markdown]
# ## The rule
#
# **AdamW** (Loshchilov and Hutter 2019) takes the spring out of the gradient. First the weight shrinks, then comes Adam's step, as it was:
#
# $$ p \leftarrow (1-\eta\lambda)\,p, \qquad p \leftarrow p - \eta\,\frac{\hat m}{\sqrt{\hat v}+\varepsilon} $$

# %%
by_hand, m, v, way = torch.tensor([valley.start], dtype=torch.float64), 0.0, 0.0, []
for t in range(1, 51):
    g = valley.grad(by_hand)
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    by_hand = (1 - 0.01 * 0.5) * by_hand
    by_hand = by_hand - 0.01 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    way.append(by_hand.squeeze())
ours, theirs = walk(AdamW, **setting), walk(torch.optim.AdamW, **setting)
apart = max((torch.stack(way) - ours).abs().max(), (theirs - ours).abs().max())
claim("By hand, by PyTorch's and by ours: the same 50 places.", apart < 1e-9)

# %% [markdown]
# You may also shrink after the step. Then the new step is shrunk, too, and the two differ by $\eta^2\lambda$ times the direction: next to nothing. What is a mistake is $1+\eta\lambda$, and it is really found in code. With it the spring pushes.
#
# ## The rate counts twice
#
# “AdamW decouples the decay from the rate.” So it is in the paper. There the rate of a step is $s\,\eta$, a schedule's factor times the rate that you type, and a weight shrinks by $1-s\,\lambda$: your rate is not in it. In PyTorch, Keras and optax the factor is $1-s\,\eta\,\lambda$. Halve the rate, and the decay is halved as well.

# %%
gone = []
for lr in (0.01, 0.005):
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    torch.optim.AdamW([weight], lr=lr, weight_decay=0.1).step()
    gone.append(1 - weight.item())
said = f"In one step at 0.01 {gone[0]:.4f} of a weight goes, at 0.005 {gone[1]:.4f}."
claim(said, abs(gone[0] - 2 * gone[1]) < 1e-12)

# %% [markdown]
# So if the rate falls to 0, the decay falls with it. Is that good? For one kind of layer it can be worked out.
#
# ## A layer that is normalised
#
# Let a layer be followed by a normalisation, as in lesson 7. Multiply its weights $x$ by two: the normalisation takes the factor out again, and the loss is as before. Two things follow. The gradient has no part along $x$: it stands at a right angle to it. And for weights twice as long it is half as large.

# %%
generator = torch.Generator().manual_seed(0)
images, wanted = torch.randn(2, 50, 8, generator=generator, dtype=torch.float64)
first = torch.randn(8, generator=generator, dtype=torch.float64)
grads = []
for x in (first.clone().requires_grad_(), (2 * first).requires_grad_()):
    out = images @ x
    ((out - out.mean()) / out.std() - wanted[:, 0]).square().mean().backward()
    grads.append(x.grad)
along = (grads[0] @ first).abs() / (grads[0].norm() * first.norm())
claim("The gradient is at a right angle to the weights.", along < 1e-9)
claim("Weights twice as long: half the gradient.", (grads[1] - grads[0] / 2).abs().max() < 1e-9)

# %% [markdown]
# A step at a right angle always leads outwards: it is one side of a right-angled triangle, and the new $x$ is the longest. The decay pulls inwards. In each step $\|x\|^2$ gains $\eta^2\|g\|^2$ and loses about $2\eta\lambda\|x\|^2$. Where the two are equal,
#
# $$ \frac{\|g\|}{\|x\|} = \sqrt{\frac{2\lambda}{\eta}} $$

# %%
fall_guess = predict_choice(
    "08-fall",
    "λ stays as it is, and the rate falls to 0. What does ‖g‖ measured by ‖x‖ do?",
    ["it falls with the rate", "it stays where it is", "it grows"],
)
fall_guess

# %% [markdown] tags=["teacher"]
# Many say that it falls: at the end of training gradients are expected to be small. The formula has the answer. Ask in which direction the balance moves when the outward steps get shorter faster than the pull does.

# %% [markdown]
# Here is SGD with such gradients, which point in all directions at random. Once the rate stays at 0.1, once it falls to 0 and the decay is $\eta\lambda$ with λ = 0.05, and once λ falls in the same proportion as the rate. **Which curve leaves the balance, and how far does it get?**

# %%
constant, falling = torch.full((2000,), 0.1), 0.1 * (1 - torch.arange(2000) / 2000)
ratios = {
    "rate and λ stay": normalised_layer(constant, [0.05] * 2000),
    "rate falls": normalised_layer(falling, [0.05] * 2000),
    "rate and λ fall": normalised_layer(falling, 0.05 * falling / 0.1),
}
CurvesView(ratios, y="gradient / weights", title="A normalised layer", at=500)

# %%
for lr, decay in [(0.1, 0.01), (0.01, 0.1)]:
    ratio, exact = normalised_layer([lr] * 6000, [decay] * 6000)[-1], (2 * decay / lr) ** 0.5
    claim(f"η = {lr}, λ = {decay}: {ratio:.2f}, and √(2λ/η) is {exact:.2f}.", abs(ratio / exact - 1) < 0.01)
falls, follows = ratios["rate falls"], ratios["rate and λ fall"]
claim(f"Only the rate falls: from 1 to {falls[-1]:.1f}.", falls[-1] > 2)
claim("λ falls with it: it stays at 1, within 1%.", (follows - 1).abs().max() < 0.01)
fall_guess.reveal(
    "it grows",
    "At half the rate the push outwards, η², is a quarter, the pull inwards, ηλ, a half. So the weights get shorter, and the gradients longer.",
)

# %% [markdown]
# The formula says that the ratio grows without end as the rate falls to 0. The curve does not get so far: with the rate the pull gets weaker as well, and the weights no longer keep up.
#
# Defazio (2025) explains with this why gradients grow at the end of many long trainings, and lets λ fall with the rate, for the layers before a normalisation. In AdamW he calls it **AdamC**. The pull is then $\eta\lambda\cdot\eta/\eta_{\max}$. Whether a network ends better for it is another question, which we have not measured.
#
# ## A real network: which λ, at which rate?
#
# Now the digits, with only 100 images to learn from: 700 are drawn, and 600 of them are held back to judge. A network soon knows these by heart, so small weights should help. Nine values of λ and three rates, for AdamW and for Adam + L2, eight seeds each. What counts is the loss on the 600.
#
# AdamW comes first. At a rate of 0.036 its best λ is near 0.3. Now the rate is nine times smaller, 0.004. For the weights to shrink as fast as before, λ would have to be nine times larger.

# %%
map_guess = predict_choice(
    "08-map",
    "Where is the best λ of AdamW at a rate of 0.004?",
    ["near 3", "near 0.3, as before", "near 0.03"],
)
map_guess

# %% [markdown] tags=["teacher"]
# After “the rate counts twice” most say 3. Ask what else gets nine times smaller with the rate: the steps of Adam that the spring has to hold.

# %% [markdown]
# A curve is the mean of the eight seeds, divided by its own lowest value, so that each touches 1 at its best λ. **Move λ along, and note where each of the six is near 1. How far apart are those of one method, and how far apart are the two methods?**

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
data = digits()
few = data._replace(x_train=data.x_train[:700], y_train=data.y_train[:700])
task = digits_task(few, seeds=8, steps=400, batch_size=16, valid=600)
decays, rates = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3], [0.004, 0.012, 0.036]
coupled = Method("Adam + L2", Adam)
with_decay, with_l2 = (train_decays(m, decays, rates, task) for m in ("AdamW", coupled))
curves = {
    f"{runs.name}, rate {lr}": runs.loss[:, i].mean(-1) / runs.loss[:, i].mean(-1).min()
    for runs in (with_decay, with_l2)
    for i, lr in enumerate(rates)
}
CurvesView(curves, y="loss / lowest of its curve", x="decay λ", over=decays, log=True, title="100 images")

# %%
adamw_loss, l2_loss = with_decay.loss.mean(-1), with_l2.loss.mean(-1)  # (λ, rate)
at = decays.index
claim(
    "AdamW: at all three rates λ = 0.3 is within 20% of the lowest loss.",
    (adamw_loss[at(0.3)] < 1.2 * adamw_loss.amin(0)).all(),
)
claim(
    "At 0.004, λ = 3 has the same ηλ, and twice the loss.", adamw_loss[at(3), 0] > 2 * adamw_loss[at(0.3), 0]
)
claim(
    "Adam + L2: at all three rates λ = 0.003 is within 30% of the lowest loss.",
    (l2_loss[at(0.003)] < 1.3 * l2_loss.amin(0)).all(),
)
times = [decays[i] / decays[j] for i, j in zip(adamw_loss.argmin(0), l2_loss.argmin(0), strict=True)]
claim("At each rate the best λ of AdamW is at least ten times that of Adam + L2.", min(times) >= 9.9)
map_guess.reveal(
    "near 0.3, as before",
    "The rate multiplies the spring and the steps of Adam alike. Where they hold each other, it cancels.",
)

# %% [markdown]
# The two methods lie far apart, the three rates of one method close together. At the smallest rate the curve of AdamW is nearly flat on its left: decay gains little there. But on its right it rises where the others do.
#
# Why? The product $\eta\lambda$ says how *fast* weights shrink when nothing else moves them. In a network something does: the gradients pull, the spring pulls back, and the rate multiplies both. Where the two hold each other, η has gone from the equation. The size of the weights shows it:
#
# %%
sizes = with_decay.size.mean(-1)[[at(0.0003), at(0.3)]]  # (λ, rate)
without, with_it = (sizes.amax(1) / sizes.amin(1)).tolist()
claim("λ = 0.0003: the larger the rate, the larger the weights, by a quarter and more.", without > 1.25)
claim("λ = 0.3: at all three rates they are equally large, within 20%.", with_it < 1.2)

# %% [markdown]
# Loshchilov and Hutter (2019) show maps of a large network in which rate and decay can be chosen one after the other in AdamW, and less so in Adam + L2. That does not reproduce here. In PyTorch's form the best λ hardly moves in either. In the paper's form λ is our $\eta\lambda$, and the best one moves with the rate.
#
# What does show clearly is this: **a λ for one is not a λ for the other.**

# %%
claim("Adam + L2 with AdamW's 0.3 is no better than guessing, ln 10 = 2.3.", l2_loss[at(0.3)].min() > 2.2)
nothing = adamw_loss[at(0.003)] / adamw_loss[at(0.0003)]
claim("AdamW: from λ = 0.0003 to L2's 0.003 the loss falls by less than a tenth.", nothing.min() > 0.9)
default = adamw_loss[at(0.01)] / adamw_loss[at(0.0003)]
claim(
    "To PyTorch's default, 0.01, at the two smaller rates: by less than a tenth, too.",
    default[:2].min() > 0.9,
)

# %% [markdown]
# Why? Adam + L2 divides λ by the size of the gradients, and in this network they are small.

# %%
first = [p.clone().requires_grad_() for p in task.first]
logits = task.forward(first, task.data.x_train)  # of the eight seeds
loss = 8 * cross_entropy(logits.flatten(0, 1), task.data.y_train.repeat(8))
grads = torch.cat([g.flatten() for g in torch.autograd.grad(loss, first)])
size = grads.square().mean().sqrt()
claim(f"At the start the gradients' root mean square is {size:.2f}.", size < 0.05)

# %% [markdown]
# Whoever moves from `Adam` to `AdamW` and leaves `weight_decay` as it was has as good as turned it off.
#
# And which is better? Each with the rate and the λ that three of the seeds choose, the other five judge, on test images. Adam without any decay runs, too. So does AdamW with its biases spared, as is usual: a bias bends nothing. `lwlr_teach.layerwise.split_decay` makes such groups for a model.


# %% tags=["nbval-ignore-output"]
# This takes about two seconds.
def spared(params, lr=1e-3, weight_decay=0.01, **options):
    """AdamW that lets the biases alone; in these networks they are single rows."""
    params = [p for group in params for p in group["params"]]
    biases = {"params": [p for p in params if p.shape[-2] == 1], "weight_decay": 0.0}
    weights = {"params": [p for p in params if p.shape[-2] > 1], "weight_decay": weight_decay}
    return AdamW([weights, biases], lr=lr, **options)


without_decay = train_decays("Adam", [0.0], rates, task)
without_biases = train_decays(Method("AdamW, biases spared", spared), decays[5:8], rates, task)

# %% tags=["nbval-ignore-output"]
judged = {}
for runs in (without_decay, with_l2, with_decay, without_biases):
    i, j = runs.best(choosers=3)
    judged[runs.name] = right, loss = runs.test_accuracy[i, j, 3:].median(), runs.test_loss[i, j, 3:].median()
    chosen = f"λ = {runs.decay[i]:g}, rate {runs.lr[j]:g}"
    print(f"{runs.name:22} {chosen:22} {right:.1%} right, loss {loss:.2f}")

# %%
accuracies = [right for right, _ in judged.values()]
claim("All four: less than four points apart on the test images.", max(accuracies) - min(accuracies) < 0.04)
worse = judged["AdamW"][1] / judged["Adam + L2"][1]
claim("AdamW's loss and that of Adam + L2 are within 25% of each other.", 0.8 < worse < 1.25)
same = (without_biases.loss.mean(-1) / adamw_loss[5:8] - 1).abs().max()
claim("Biases spared or not: the losses are within 10%.", same < 0.1)
claim(
    "At the large rate 0.036 AdamW's λ = 0.3 takes more than 15% off the loss.",
    adamw_loss[at(0.3), 2] < 0.85 * adamw_loss[at(0.0003), 2],
)

# %% [markdown]
# With equal care AdamW is not ahead of Adam + L2 here, and neither is far ahead of Adam alone. Adam alone has to take the smallest rate, and small steps keep the weights small, too. What decay buys is freedom: with it a rate that is far too large does less harm.
#
# Why does everybody take AdamW, then? On large networks Loshchilov and Hutter (2019) found it better. And its λ has a plain meaning, the same for every weight. It stays the same when somebody multiplies the loss by ten, as it did for noise ten times the size.
#
# ## Exercise

# %%
ask("08-who-decays", "08-silent")

# %% [markdown]
# Write AdamW. Your Adam from lesson 7 is nearly all of it.


# %%
def step(p, g, m, v, t, lr, betas, eps, decay):
    """The new p, m and v after step t of AdamW from p, where the gradient is g."""
    ### BEGIN SOLUTION
    p = (1 - lr * decay) * p
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    m_hat = m / (1 - betas[0] ** t)
    v_hat = v / (1 - betas[1] ** t)
    return p - lr * m_hat / (v_hat.sqrt() + eps), m, v
    ### END SOLUTION


check("08-adamw", step)

# %% [markdown]
# A weight has no gradient, and the rate follows a schedule. How much of the weight is left in the end?


# %%
def left(rates, decay):
    """The share of a weight that AdamW leaves after steps with these rates."""
    ### BEGIN SOLUTION
    share = 1.0
    for lr in rates:
        share = share * (1 - lr * decay)
    return share
    ### END SOLUTION


check("08-left", left)

# %% [markdown]
# ## In your own words

# %%
explain("08-explain")

# %% [markdown]
# ## What to keep
#
# 1. L2 adds λp to the gradient and weight decay shrinks the weight: one thing in SGD, two in Adam, which divides λp by the size of the gradient.
# 2. In PyTorch the rate multiplies AdamW's decay, so that a falling rate weakens it; but what a weight settles at need not depend on the rate.
# 3. A λ belongs to its method: where gradients are small, as in our network, one that was right in Adam is far too small in AdamW.
#
# **Where libraries disagree.** The default λ is 0.01 in PyTorch's AdamW, 0.0001 in optax and 0.004 in Keras. The paper does not multiply λ by the base rate, all three do. PyTorch's Adam has L2 under the name `weight_decay`, and AdamW has decay under the same name.
#
# **Sources.** Loshchilov and Hutter (2019), *Decoupled weight decay regularization*: AdamW, and SGD with decay. Defazio (2025), *Why gradients rapidly increase near the end of training*: the balance of normalised layers, and AdamC.
