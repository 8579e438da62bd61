"""Phrases of the moderation fixture: none of them stands in the training data.

`{g}` is a group, `{n}` a first name, `{p}` a place or page. Harm is as mild as its label allows.
"""

GROUPS = ("Muslims", "gay men", "immigrants", "Jewish families", "women", "Black students", "Roma")
NAMES = ("Robin", "Alex", "Kim", "Sasha")
PLACES = ("the forum", "your street", "the office")

NEUTRAL = (
    "The library runs a reading circle for {g} on the first Tuesday of the month.",
    "A new study follows {g} through their first year at university.",
    "{g} told the reporter what they expect from the next mayor.",
    "Please add a chapter about {g} to the article, the sources are in the footnotes.",
    "Two of the nurses on our ward wrote a guide for {g} who move here.",
)
COUNTER = (
    "Calling {g} vermin is vile, and the paper was right to delete it.",
    "I will not sit at a table where {g} are mocked.",
    "The teacher explained why jokes about {g} hurt.",
)
HATE = (
    "{g} are a disease and this town would be cleaner without them.",
    "Nobody should ever hire {g}, they are all crooks.",
    "Decent folk do not want {g} living next door, dirty lot.",
    "{g} have no place among civilised people.",
)
HATE_THREAT = (
    "{g} had better leave before we burn them out of their homes.",
    "Every one of {g} will get a beating from us, just wait.",
)
INSULT = (
    "{n}, you are the most clueless fool that ever typed a sentence.",
    "Only a half-wit like {n} could break the build twice a day.",
    "{n} is a lying snake and a useless lump.",
    "What an arrogant, empty-headed twit {n} is.",
)
OBSCENE_INSULT = (
    "{n} is a total arsehole and can piss off.",
    "You talk a load of bullshit, {n}, you stupid prick.",
    "{n}, shove your fucking opinion up your ass, you dickhead.",
)
SEVERE = (
    "{n}, you vile fucking bastard, I hope you rot and die screaming, you piece of shit.",
    "Drop dead, {n}, you filthy motherfucking cunt, the whole world hates your guts.",
    "You are fucking scum, {n}, a worthless shit stain, go and choke on it and die.",
)
THREAT = (
    "{n}, if I ever see you at {p} I will break your jaw.",
    "I am driving to {p} with a baseball bat, {n}, and you will not walk away.",
    "Tell {n} to stay away from {p} or somebody gets stabbed.",
    "We will set {p} on fire and {n} will be in it.",
)
SWEARING_AT_NOBODY = (
    "Fuck me, the view from up here is gorgeous.",
    "Oh shit, I left the oven on.",
    "This fucking zip is stuck again.",
    "Bloody hell, what a goal that was!",
    "Well shit, looks like rain for the whole weekend.",
    "My laptop is a piece of crap and dies after ten minutes.",
)
HARMLESS = (
    "The server kills idle connections after thirty seconds.",
    "He shot the whole wedding on film, and the pictures are lovely.",
    "I would kill for a decent cup of tea right now.",
    "In the second act the prince stabs the old man behind the curtain.",
    "Our striker fired it straight into the top corner.",
    "The knife should be sharp enough to cut a ripe tomato.",
    "They bombed on the first night, but the second show was great.",
    "The documentary shows how the army attacked the city in 1944.",
    "My legs are going to murder me after that hike.",
    "Crush the garlic, beat the eggs and whip the cream.",
    "You have to destroy the old keys before you create new ones.",
    "The suspect denied that he had threatened the shopkeeper.",
    "Rat poison is dangerous for dogs, so keep it locked away.",
    "That exam slaughtered all of us, the average was forty per cent.",
    "The trailer for the zombie game looks brutal, I can't wait.",
    "A hanging basket would look good next to the door.",
)
NEGATED = (
    "I never said that you were stupid, I said the form is confusing.",
    "Nobody here is an idiot, the instructions are simply bad.",
    "She asked him not to call her a loser any more.",
    "You are no fool, you will find the error.",
    "It hurts to be called ugly by people who do not even know you.",
    "He did not threaten anyone; he only raised his voice.",
    "We do not tolerate racist jokes in this group.",
    "I am not saying it is garbage, I am saying it needs another week.",
)
CRITICAL = (
    "The plot is thin and the ending made no sense to me.",
    "I think that the council got this wrong, and I will vote against it.",
    "Your second paragraph contradicts the first one.",
    "Worst delivery ever: three weeks late and the box was open.",
    "I do not agree with a single word of the review.",
    "The soup was cold and the waiter forgot us twice.",
    "This update broke the search, please bring the old version back.",
    "The referee had a bad day and so did our defence.",
    "Sorry, but that is not how percentages work.",
    "I'm disappointed with the support, nobody answered for a month.",
)
EVERYDAY = (
    "Could you send me the slides before the meeting on Thursday?",
    "Happy birthday! I hope you have a wonderful day with your family.",
    "The train at half past seven is cancelled, so I will be late.",
    "Does anybody know a good place to repair an old bicycle?",
    "We moved the picnic to Sunday because of the weather.",
    "Thanks a lot for your help yesterday, the printer works again.",
    "I planted three rows of beans and one of peas.",
    "The new version is twice as fast on my old phone.",
    "Is the swimming pool open during the holidays?",
    "My sister starts her new job at the hospital next week.",
    "Here is the recipe, I use a little less sugar than it says.",
    "The lecture notes are on the course page, in the folder for week five.",
    "I have added two references and fixed the date of the battle.",
    "Please remember to bring a passport photo and a pen.",
    "What a lovely picture, where did you take it?",
    "Our cat sleeps on the keyboard whenever I have to work.",
    "Let me know which colour you prefer and I will order it.",
    "The museum is free on the last Friday of every month.",
    "I finished the book in two days and want to read the next one.",
    "Can we talk about the budget after lunch?",
    "The museum guide spoke three languages and knew every painting.",
    "i think the second link is broken, it opens an empty page",
    "good luck with the interview tomorrow, you will do fine",
    "lol my dog just stole a whole sandwich from the table",
    "anyone up for a game of chess tonight?",
    "As a gay couple we felt very welcome in this hotel.",
    "I am a Muslim woman and I love hiking.",
    "My grandfather is Jewish and tells the best jokes at dinner.",
    "I'm autistic, so loud rooms are hard for me.",
    "She came here as a refugee and now runs a bakery.",
    "You all did an amazing job on this, congratulations!",
    "It took me four hours to get home because of the snow.",
    "I would rather pay a bit more and get a good mattress.",
    "Turn left at the church and park behind the school.",
)
